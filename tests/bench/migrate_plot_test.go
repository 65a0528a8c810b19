package main

import (
	"fmt"
	"image/color"
	"path/filepath"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// lines are those of the picture.
var lines = []struct {
	what, label string
	color       color.Color
	dashes      []vg.Length
}{
	{"criu", "criu dump + cp + criu restore", color.RGBA{130, 130, 130, 255}, nil},
	{"criu_pause", "the program's pause by these", color.RGBA{130, 130, 130, 255}, []vg.Length{vg.Points(4), vg.Points(3)}},
	{"total", "rockctl migrate, in all", color.RGBA{60, 110, 170, 255}, nil},
	{"frozen", "of that, frozen", color.RGBA{200, 80, 40, 255}, nil},
	{"pause", "the program's pause by it", color.RGBA{200, 80, 40, 255}, []vg.Length{vg.Points(4), vg.Points(3)}},
}

// plot draws the medians of all sizes, on logarithmic scales.
func (r *migrations) plot(dir string) error {
	p := plot.New()
	p.Title.Text = "moving a group to another host"
	p.X.Label.Text = "MiB of memory"
	p.Y.Label.Text = fmt.Sprintf("ms, medians of %d rounds", r.Rounds)
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Left = true, true
	p.Add(plotter.NewGrid())
	var ticks plot.ConstantTicks
	for _, z := range r.Sizes {
		ticks = append(ticks, plot.Tick{Value: float64(z.Memory), Label: strconv.Itoa(z.Memory)})
	}
	p.X.Tick.Marker = ticks
	for _, l := range lines {
		var points plotter.XYs
		for _, z := range r.Sizes {
			points = append(points, plotter.XY{X: float64(z.Memory), Y: z.Summary[l.what].Median})
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("draw %s: %w", l.label, err)
		}
		line.Color, line.Dashes, line.Width = l.color, l.dashes, vg.Points(1.5)
		dots.Color, dots.Shape = l.color, draw.CircleGlyph{}
		p.Add(line, dots)
		p.Legend.Add(l.label, line, dots)
	}
	for _, kind := range []string{"svg", "png"} {
		if err := p.Save(22*vg.Centimeter, 14*vg.Centimeter, filepath.Join(dir, "migrate."+kind)); err != nil {
			return fmt.Errorf("draw migrate.%s: %w", kind, err)
		}
	}
	return nil
}
