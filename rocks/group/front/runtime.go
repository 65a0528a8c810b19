package front

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// runtimeMemory reads variables of Go's runtime in this process, by their names.
// Nothing is written, and a variable that another version of Go does not have is
// simply not found.
type runtimeMemory struct {
	mem     *os.File
	symbols map[string]uint64 // address in memory
}

// wanted are the variables that are looked up.
var wanted = [...]string{"runtime.initSigmask", "runtime.fwdSig"}

func openRuntime() (*runtimeMemory, error) {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := findSymbols(f)
	if err != nil {
		return nil, err
	}
	bias, err := loadBias(f)
	if err != nil {
		return nil, err
	}
	for name := range symbols {
		symbols[name] += bias
	}
	mem, err := os.Open("/proc/self/mem")
	if err != nil {
		return nil, err
	}
	return &runtimeMemory{mem: mem, symbols: symbols}, nil
}

func (r *runtimeMemory) close() { _ = r.mem.Close() }

// uint64At returns element i of an array of 64-bit words.
func (r *runtimeMemory) uint64At(name string, i int) (uint64, bool) {
	addr, ok := r.symbols[name]
	if !ok {
		return 0, false
	}
	var b [8]byte
	if _, err := r.mem.ReadAt(b[:], int64(addr)+int64(8*i)); err != nil {
		return 0, false
	}
	return binary.NativeEndian.Uint64(b[:]), true
}

// findSymbols returns the addresses of the wanted variables in the file. It goes
// through the symbol table by hand: (*elf.File).Symbols makes a string of each of
// tens of thousands of names, and every start of a command waits for this.
func findSymbols(f *elf.File) (map[string]uint64, error) {
	table := f.SectionByType(elf.SHT_SYMTAB)
	if table == nil || f.Class != elf.ELFCLASS64 || int(table.Link) >= len(f.Sections) {
		return nil, errors.New("no symbol table")
	}
	symbols, err := table.Data()
	if err != nil {
		return nil, fmt.Errorf("read symbol table: %w", err)
	}
	names, err := f.Sections[table.Link].Data()
	if err != nil {
		return nil, fmt.Errorf("read symbol names: %w", err)
	}
	// A wanted name has one place among the names, so only numbers are compared below.
	places := make(map[uint32]string, len(wanted))
	for _, name := range wanted {
		if i := bytes.Index(names, []byte("\x00"+name+"\x00")); i >= 0 {
			places[uint32(i+1)] = name
		}
	}
	found := make(map[string]uint64, len(wanted))
	for ; len(symbols) >= elf.Sym64Size && len(found) < len(places); symbols = symbols[elf.Sym64Size:] {
		if name, ok := places[f.ByteOrder.Uint32(symbols)]; ok {
			found[name] = f.ByteOrder.Uint64(symbols[8:]) // st_value
		}
	}
	return found, nil
}

// loadBias returns how far the kernel moved a position-independent executable.
func loadBias(f *elf.File) (uint64, error) {
	const atEntry = 9 // AT_ENTRY
	auxv, err := unix.Auxv()
	if err != nil {
		return 0, fmt.Errorf("read auxiliary vector: %w", err)
	}
	for _, a := range auxv {
		if a[0] == atEntry {
			return uint64(a[1]) - f.Entry, nil
		}
	}
	return 0, errors.New("no entry point in the auxiliary vector")
}
