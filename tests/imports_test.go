package tests

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rock/tests/lab"
)

// goPackage is what go list says of a package.
type goPackage struct {
	ImportPath, Dir  string
	GoFiles, Imports []string
}

// name is the path inside of the module.
func (p goPackage) name() string { return strings.TrimPrefix(p.ImportPath, "rock/") }

// ours are the imports from this module.
func (p goPackage) ours() []string {
	var names []string
	for _, path := range p.Imports {
		if name, ok := strings.CutPrefix(path, "rock/"); ok {
			names = append(names, name)
		}
	}
	return names
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	root, err := lab.Root()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// layers from top to bottom. A package imports what is in its own line or in a
// lower one, never what is in a higher one. The first matching line counts.
var layers = []string{
	"cmd/",
	"tests/",
	"migrate/",
	"ckpt/",
	"rocks/group/",
	"rocks/interpose/",
	"rocks/rockstest/",
	"rocks/", // and what is below it but in no line of its own
}

// leaves import nothing of this module; the first three nothing but the standard
// library, since they are the protocol that others may want to read alone.
var leaves = []string{
	"rocks/wire", "rocks/flight", "rocks/auth", "rocks/estate", "rocks/group/trustee",
	"rocks/interpose/seccomp", "rocks/interpose/tracee",
	"ckpt/criu", "ckpt/freeze", "ckpt/image", "ckpt/survey",
	"migrate/stream",
}

// parts are what rocks is made of: they do not import it.
var parts = []string{"rocks/detect", "rocks/wire", "rocks/flight", "rocks/auth", "rocks/estate"}

// onlyForTests are not imported by any program.
var onlyForTests = []string{"tests/", "rocks/rockstest/", "rocks/interpose/seccomptest/"}

func layer(name string) int {
	for i, prefix := range layers {
		if strings.HasPrefix(name+"/", prefix) {
			return i
		}
	}
	return -1
}

func among(name string, list []string) bool {
	for _, prefix := range list {
		if strings.HasPrefix(name+"/", strings.TrimSuffix(prefix, "/")+"/") {
			return true
		}
	}
	return false
}

func TestImportsRunOneWay(t *testing.T) {
	for _, p := range packages(t) {
		if p.name() != "tests" && layer(p.name()) < 0 {
			t.Errorf("%s is in no layer: put it into one in this test", p.name())
		}
		for _, i := range p.ours() {
			switch {
			case layer(i) < layer(p.name()):
				t.Errorf("%s imports %s, which is above it", p.name(), i)
			case strings.HasPrefix(i, "cmd/"):
				t.Errorf("%s imports the command %s", p.name(), i)
			case among(p.name(), leaves):
				t.Errorf("%s imports %s but is a leaf", p.name(), i)
			case among(p.name(), parts) && i == "rocks":
				t.Errorf("%s imports rocks, whose part it is", p.name())
			case among(i, onlyForTests) && !among(p.name(), []string{"tests"}):
				t.Errorf("%s imports %s, which is for tests only", p.name(), i)
			}
		}
		if among(p.name(), leaves[:3]) {
			for _, i := range p.Imports {
				if strings.Contains(strings.SplitN(i, "/", 2)[0], ".") {
					t.Errorf("%s imports %s, which is not in the standard library", p.name(), i)
				}
			}
		}
	}
}

// Every package says what it is for, and everything exported says what it does.
func TestEverythingIsDocumented(t *testing.T) {
	checked := 0
	for _, p := range packages(t) {
		if len(p.GoFiles) == 0 {
			continue
		}
		fset := token.NewFileSet()
		var files []*ast.File
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		d, err := doc.NewFromFiles(fset, files, p.ImportPath)
		if err != nil {
			t.Fatal(err)
		}
		if d.Doc == "" {
			t.Errorf("package %s has no comment", p.name())
		}
		for _, name := range undocumented(d) {
			t.Errorf("%s.%s has no comment", p.name(), name)
		}
		checked++
	}
	if checked < 5 {
		t.Errorf("only %d packages were checked", checked)
	}
}

// wellKnown are methods whose meaning the standard library has laid down.
var wellKnown = map[string]bool{"Error": true, "String": true, "Unwrap": true, "Is": true}

func undocumented(p *doc.Package) []string {
	var names []string
	values := func(all []*doc.Value) {
		for _, v := range all {
			for _, spec := range v.Decl.Specs {
				s := spec.(*ast.ValueSpec)
				if v.Doc == "" && s.Doc == nil && s.Comment == nil && ast.IsExported(s.Names[0].Name) {
					names = append(names, s.Names[0].Name)
				}
			}
		}
	}
	funcs := func(of string, all []*doc.Func) {
		for _, f := range all {
			if f.Doc == "" && ast.IsExported(f.Name) && !(of != "" && wellKnown[f.Name]) {
				names = append(names, of+f.Name)
			}
		}
	}
	values(p.Consts)
	values(p.Vars)
	funcs("", p.Funcs)
	for _, typ := range p.Types {
		if typ.Doc == "" && ast.IsExported(typ.Name) {
			names = append(names, typ.Name)
		}
		values(typ.Consts)
		values(typ.Vars)
		funcs("", typ.Funcs)
		funcs(typ.Name+".", typ.Methods)
	}
	return names
}
