package main

func (r *results) plot(dir string) error { return nil }
