package main

import (
	"fmt"
	"image/color"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// bars are those of the picture: what one is made of, from below.
var bars = [][]part{
	{{"criu_dump", "criu dump", color.RGBA{160, 160, 160, 255}}, {"criu_restore", "criu restore", color.RGBA{205, 205, 205, 255}}},
	{
		{"quiesce", "rock: come to rest", color.RGBA{200, 80, 40, 255}}, {"dump", "rock: CRIU's dump", color.RGBA{60, 110, 170, 255}},
		{"keep", "rock: keep the image", color.RGBA{235, 160, 60, 255}}, {"restore", "rock: restore", color.RGBA{130, 180, 220, 255}},
	},
}

// part is one piece of a bar.
type part struct {
	what, label string
	color       color.Color
}

const barWidth = 18 // points

// plot draws the medians of all scenarios.
func (r *results) plot(dir string) error {
	p := plot.New()
	p.Title.Text = "standing still for a checkpoint and a restore"
	p.Y.Label.Text = fmt.Sprintf("ms, medians of %d rounds", r.Rounds)
	p.Y.Min = 0
	p.Legend.Top, p.Legend.Left = true, true
	var names []string
	for _, sc := range r.Scenarios {
		names = append(names, sc.name())
	}
	p.NominalX(names...)
	p.X.Label.Text = "rocks"
	for i, bar := range bars {
		var below *plotter.BarChart
		for _, part := range bar {
			var medians plotter.Values
			for _, sc := range r.Scenarios {
				medians = append(medians, sc.Summary[part.what].Median)
			}
			b, err := plotter.NewBarChart(medians, vg.Points(barWidth))
			if err != nil {
				return fmt.Errorf("draw %s: %w", part.label, err)
			}
			b.Color, b.Offset = part.color, vg.Points(barWidth*(float64(i)-0.5))
			b.LineStyle.Width = 0
			if below != nil {
				b.StackOn(below)
			}
			p.Add(b)
			p.Legend.Add(part.label, b)
			below = b
		}
	}
	p.X.Min, p.X.Max = -0.5, float64(len(names))-0.5
	p.Y.Max *= 1.35 // room for the legend
	for _, kind := range []string{"svg", "png"} {
		if err := p.Save(22*vg.Centimeter, 12*vg.Centimeter, filepath.Join(dir, "bench."+kind)); err != nil {
			return fmt.Errorf("draw bench.%s: %w", kind, err)
		}
	}
	return nil
}
