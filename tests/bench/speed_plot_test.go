package main

import (
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Colours of the bars: of plain connections, of those with rock, and of others.
var (
	plainColor = color.RGBA{170, 170, 170, 255}
	rockColor  = color.RGBA{200, 80, 40, 255}
	peerColor  = color.RGBA{60, 110, 170, 255}
)

// Tiles of the picture.
const (
	tilesInRow = 4
	tileWidth  = 8 * vg.Centimeter
	tileHeight = 5 * vg.Centimeter
	pad        = 10
)

// plot draws a tile for each trial, with the medians of its first metric.
func (r *speeds) plot(dir string) error {
	rows := (len(r.Trials) + tilesInRow - 1) / tilesInRow
	width, height := tilesInRow*tileWidth, vg.Length(rows)*tileHeight
	svg := vgsvg.New(width, height)
	png := vgimg.PngCanvas{Canvas: vgimg.New(width, height)}
	for _, canvas := range []vg.CanvasSizer{svg, png} {
		tiles := draw.Tiles{Cols: tilesInRow, Rows: rows, PadX: pad, PadY: pad, PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: 2 * pad}
		for i, s := range r.Trials {
			p, err := s.tile()
			if err != nil {
				return err
			}
			p.Draw(tiles.At(draw.New(canvas), i%tilesInRow, i/tilesInRow))
		}
	}
	var errs []error
	for name, picture := range map[string]vg.CanvasWriterTo{"speed.svg": svg, "speed.png": png} {
		f, err := os.Create(filepath.Join(dir, name))
		if err == nil {
			_, err = picture.WriteTo(f)
			err = errors.Join(err, f.Close())
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// tile is the picture of a trial: a bar for each way, the first one on top.
func (s *trial) tile() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = s.Name
	p.X.Label.Text = s.Metrics[0].Name
	p.X.Min = 0
	var names []string
	for i := range s.Variants {
		at := len(s.Variants) - 1 - i
		v := s.Variants[at]
		b, err := plotter.NewBarChart(plotter.Values{v.Value[0].Median}, vg.Points(9))
		if err != nil {
			return nil, fmt.Errorf("draw %s: %w", s.Name, err)
		}
		b.Horizontal, b.XMin, b.Color = true, float64(i), v.color()
		b.LineStyle.Width = 0
		p.Add(b)
		names = append(names, v.Name)
	}
	p.NominalY(names...)
	p.Y.Min, p.Y.Max = -0.5, float64(len(names))-0.5
	return p, nil
}

func (v *variant) color() color.Color {
	for _, w := range []way{byMPTCP, bySocat, bySSH, byStunnel} {
		if v.Name == w.name {
			return peerColor
		}
	}
	if v.Name == plainly.name || v.Name == moshName {
		return plainColor
	}
	return rockColor
}
