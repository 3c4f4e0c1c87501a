package pdfium

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/emscripten"
	"github.com/tetratelabs/wazero/sys"
)

//go:embed pdfium.wasm
var wasm []byte

// pageSize is that of WebAssembly's memory, in bytes.
const pageSize = 64 << 10

// Options are the settings of an [Engine]; the zero value is ready to use.
type Options struct {
	// CacheDir keeps the compiled code, so that New takes a tenth of a second
	// instead of three; "" is ragproxy/wasm in the user's cache folder. Where
	// it cannot be written nothing is kept.
	CacheDir string
	// Memory is what reading one file may take besides PDFium's own 18 MiB and
	// twice the file, in bytes; 0 is 32 MiB. Files of people need 5.
	Memory int64
}

// Engine is a compiled PDFium. It is safe for concurrent use: every file is
// read in an instance of its own, with a memory of its own.
type Engine struct {
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	module  wazero.CompiledModule
	memory  int64
	spare   chan []byte // a memory of zeros for the next instance
}

// New compiles PDFium. ctx is only for the compilation.
func New(ctx context.Context, opts Options) (*Engine, error) {
	e := &Engine{memory: opts.Memory, cache: newCache(opts.CacheDir), spare: make(chan []byte, 1)}
	if e.memory <= 0 {
		e.memory = 32 << 20
	}
	config := wazero.NewRuntimeConfig().WithCompilationCache(e.cache).WithCloseOnContextDone(true)
	e.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	var err error
	if e.module, err = e.runtime.CompileModule(ctx, wasm); err == nil {
		err = e.imports(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("compile PDFium: %w", err), e.Close(ctx))
	}
	return e, nil
}

// newCache is a cache in memory where there is no folder to write into.
func newCache(dir string) wazero.CompilationCache {
	if dir = newCacheDir(dir); dir != "" {
		if cache, err := wazero.NewCompilationCacheWithDir(dir); err == nil {
			return cache
		}
	}
	return wazero.NewCompilationCache()
}

// newCacheDir makes the folder for the cache; "" if that cannot be done.
func newCacheDir(dir string) string {
	if dir == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(user, "ragproxy", "wasm")
	}
	// It holds code that will be run: nobody else may write to it.
	if os.MkdirAll(dir, 0o700) != nil || !writable(dir) {
		return ""
	}
	return dir
}

// writable asks by writing, because a full or read-only cache folder fails
// the compilation.
func writable(dir string) bool {
	f, err := os.CreateTemp(dir, "probe-*")
	if err != nil {
		return false
	}
	defer os.Remove(f.Name())
	_, err = f.Write([]byte{0})
	return errors.Join(err, f.Close()) == nil
}

// Close gives back what the engine holds. No Read may be running.
func (e *Engine) Close(ctx context.Context) error {
	return errors.Join(e.runtime.Close(ctx), e.cache.Close(ctx))
}

// instantiate starts an instance whose memory may grow by more bytes.
func (e *Engine) instantiate(ctx context.Context, more int64) (api.Module, error) {
	ctx = experimental.WithMemoryAllocator(ctx, experimental.MemoryAllocatorFunc(func(uint64, uint64) experimental.LinearMemory {
		return &memory{more: uint64(more), spare: e.spare}
	}))
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize")
	return e.runtime.InstantiateModule(ctx, e.module, config)
}

// memory is an instance's memory. All that it may have is allocated at once,
// which costs only addresses until it is used, and handed on to the next
// instance: so it is neither copied nor left to the garbage collector.
type memory struct {
	more   uint64
	buffer []byte
	spare  chan []byte
}

// Reallocate implements experimental.LinearMemory.
func (m *memory) Reallocate(size uint64) []byte {
	if m.buffer == nil {
		select {
		case m.buffer = <-m.spare:
		default:
		}
		if uint64(cap(m.buffer)) < size+m.more {
			m.buffer = make([]byte, 0, size+m.more)
		}
		m.buffer = m.buffer[: 0 : size+m.more]
	}
	if size > uint64(cap(m.buffer)) {
		return nil
	}
	m.buffer = m.buffer[:size] // what lies behind is still zero, as it has to be
	return m.buffer
}

// Free implements experimental.LinearMemory.
func (m *memory) Free() {
	if m.buffer == nil {
		return
	}
	clear(m.buffer)
	select {
	case m.spare <- m.buffer[:0]:
	default:
	}
	m.buffer = nil
}

// imports defines what the module asks of its host: setjmp, memory, and a
// system without files, environment or clock.
func (e *Engine) imports(ctx context.Context) error {
	jumps, err := emscripten.NewFunctionExporterForModule(e.module)
	if err != nil {
		return err
	}
	builders := map[string]wazero.HostModuleBuilder{}
	for _, f := range e.module.ImportedFunctions() {
		module, name, _ := f.Import()
		if builders[module] == nil {
			builders[module] = e.runtime.NewHostModuleBuilder(module)
		}
		if module == "env" && (strings.HasPrefix(name, "invoke_") || name == "_emscripten_throw_longjmp") {
			continue
		}
		builders[module].NewFunctionBuilder().WithGoModuleFunction(host(name, len(f.ResultTypes()) > 0), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	jumps.ExportFunctions(builders["env"])
	for _, builder := range builders {
		if _, err := builder.Instantiate(ctx); err != nil {
			return err
		}
	}
	return nil
}

// host is the host's function of a name. Most of a system is left out: those
// functions say that they failed.
func host(name string, result bool) api.GoModuleFunc {
	switch name {
	case "emscripten_resize_heap":
		return resizeHeap
	case "_emscripten_memcpy_js":
		return copyMemory
	case "fd_write":
		return dropOutput
	case "_abort_js", "__assert_fail":
		return func(context.Context, api.Module, []uint64) { panic(errAborted) }
	case "environ_get", "environ_sizes_get", "emscripten_date_now":
		return func(_ context.Context, m api.Module, stack []uint64) {
			if name == "environ_sizes_get" {
				m.Memory().WriteUint32Le(uint32(stack[0]), 0)
				m.Memory().WriteUint32Le(uint32(stack[1]), 0)
			}
			stack[0] = 0
		}
	}
	noSuchFunction := int64(-52) // ENOSYS, as the system calls return it
	if strings.HasPrefix(name, "fd_") {
		noSuchFunction = 52 // as WASI does
	}
	return func(_ context.Context, _ api.Module, stack []uint64) {
		if result {
			stack[0] = api.EncodeI32(int32(noSuchFunction))
		}
	}
}

// resizeHeap grows the memory to a size, or says (with 0) that there is none
// to be had; then malloc fails, which PDFium answers by giving up.
func resizeHeap(_ context.Context, m api.Module, stack []uint64) {
	more := int64(uint32(stack[0])) - int64(m.Memory().Size())
	_, ok := m.Memory().Grow(uint32(max(0, more+pageSize-1) / pageSize))
	stack[0] = 0
	if ok {
		stack[0] = 1
	}
}

// copyMemory is memmove(to, from, length).
func copyMemory(_ context.Context, m api.Module, stack []uint64) {
	from, ok := m.Memory().Read(uint32(stack[1]), uint32(stack[2]))
	if !ok || !m.Memory().Write(uint32(stack[0]), from) {
		panic(errAborted)
	}
}

// dropOutput is WASI's fd_write to nowhere: all of it is written.
func dropOutput(_ context.Context, m api.Module, stack []uint64) {
	vectors, count, written := uint32(stack[1]), uint32(stack[2]), uint32(stack[3])
	total := uint32(0)
	for i := range min(count, 1024) {
		length, _ := m.Memory().ReadUint32Le(vectors + 8*i + 4)
		total += length
	}
	m.Memory().WriteUint32Le(written, total)
	stack[0] = 0
}

var errAborted = errors.New("PDFium gave up (a damaged file, or one that needs more memory than it is given)")

// call calls one of PDFium's functions, with pointers and integers. Its
// error is short: the text of a trap goes on with the stack.
func call(ctx context.Context, m api.Module, name string, arguments ...uint64) (uint32, error) {
	results, err := m.ExportedFunction(name).Call(ctx, arguments...)
	if err != nil {
		return 0, failure(ctx, err)
	}
	results = slices.Grow(results, 1)[:1]
	return uint32(results[0]), nil
}

// failure is the error of a call.
func failure(ctx context.Context, err error) error {
	var exit *sys.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errAborted), errors.As(err, &exit):
		return errAborted
	}
	first, _, _ := strings.Cut(err.Error(), "\n")
	return fmt.Errorf("PDFium failed on it: %s", first)
}
