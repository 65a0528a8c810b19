//go:build !amd64

package ckpt

import "rock/ckpt/image"

// takeBack does nothing: image.RestartCalls finds no calls here.
func takeBack(int, image.Call) error { return nil }
