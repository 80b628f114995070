package algorithm

import (
	_ "embed"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

//go:embed lua/single.lua
var singleLua string

//go:embed lua/change.lua
var changeLua string

//go:embed lua/finish.lua
var finishLua string

//go:embed lua/joint.lua
var jointLua string

// ErrFailed reports that an algorithm's Lua raised an error on a key's state.
var ErrFailed = errors.New("algorithm: the Lua step failed on the state of this key")

// Program is the script that decides requests under one limit, or under several
// limits jointly, together with the encoding of its arguments and reply. It is
// immutable and safe for concurrent use. Limiters make their own; it is exported for
// tests of algorithms.
type Program struct {
	scripts
	limits []*Plan
	params []int64
}

// Compose returns the program for the given limits, of which there must be at least one. A
// decision takes its units from all of them or from none. The script depends only on the
// limits' algorithms, not on their parameters, so all limits of one kind share one cached
// script. The error names the field of a plan that is wrong, and its value.
func Compose(limits ...*Plan) (*Program, error) {
	if len(limits) == 0 {
		return nil, errors.New("algorithm: no limit to compose a program of")
	}
	p := &Program{limits: limits}
	for _, limit := range limits {
		if err := limit.validate(); err != nil {
			return nil, err
		}
		p.params = append(p.params, limit.Params...)
	}
	var err error
	if p.scripts, err = scriptsOf(limits); err != nil {
		return nil, err
	}
	return p, nil
}

// scripts are the scripts of a program.
type scripts struct {
	script *store.Script
	across *store.Script // nil for several limits
}

// composed caches the scripts of the first kinds of limits that were asked for. Making
// scripts is most of the cost of making a limiter, and a service may make one for each
// customer. No more than maxComposed are kept, because an algorithm may write its Lua anew
// for each limit.
var composed struct {
	sync.RWMutex
	of map[string]scripts
}

const maxComposed = 64

// scriptsOf returns the scripts of limits. It checks their Lua; the rest of them is valid.
func scriptsOf(limits []*Plan) (scripts, error) {
	var key strings.Builder // everything that goes into a script
	key.Grow(len(limits) * (len(limits[0].Lua) + 128))
	names := make([]string, len(limits))
	for i, limit := range limits {
		names[i] = limit.Name
		fmt.Fprintln(&key, limit.Name, limit.Additive, limit.Plain != nil, len(limit.Params), len(limit.Lua))
		key.WriteString(limit.Lua)
	}
	composed.RLock()
	made, ok := composed.of[key.String()]
	composed.RUnlock()
	if ok {
		return made, nil
	}
	for _, limit := range limits {
		if err := limit.validateLua(); err != nil {
			return scripts{}, err
		}
	}
	name := strings.Join(names, "+")
	if len(limits) > 1 {
		made.script = store.NewScript(name, composeJoint(limits))
	} else {
		made.script = store.NewScript(name, composeSingle(limits[0], false))
		made.across = store.NewScript(name, composeSingle(limits[0], true))
	}
	composed.Lock()
	defer composed.Unlock()
	if composed.of == nil {
		composed.of = map[string]scripts{}
	}
	if len(composed.of) < maxComposed {
		composed.of[key.String()] = made
	}
	return made, nil
}

func (p *Plan) validate() error {
	switch {
	case p == nil:
		return errors.New("algorithm: plan is nil")
	case !validName(p.Name):
		return fmt.Errorf("algorithm: Name is %q: must be 1 to 64 lower-case letters, digits or underscores", p.Name)
	case p.Limit < 1 || p.Limit > maxExact:
		return fmt.Errorf("algorithm %s: Limit is %d: must be 1 to 2^53", p.Name, p.Limit)
	case p.Window < 0:
		return fmt.Errorf("algorithm %s: Window is %v: must be at least 0", p.Name, p.Window)
	case p.UnitSize < 0:
		return fmt.Errorf("algorithm %s: UnitSize is %d: must be at least 0", p.Name, p.UnitSize)
	case p.Step == nil:
		return fmt.Errorf("algorithm %s: Step is nil", p.Name)
	case p.Bound == nil:
		return fmt.Errorf("algorithm %s: Bound is nil", p.Name)
	case len(p.Params) > MaxParams:
		return fmt.Errorf("algorithm %s: Params has %d integers: must have at most %d", p.Name, len(p.Params), MaxParams)
	}
	for i, v := range p.Params {
		if v > maxExact || v < -maxExact {
			return fmt.Errorf("algorithm %s: Params[%d] is %d: must be within ±2^53", p.Name, i, v)
		}
	}
	return nil
}

func (p *Plan) validateLua() error {
	if missing := undefined(p.Lua, "read", "write", "step"); len(missing) > 0 {
		return fmt.Errorf("algorithm %s: Lua does not define %s%s", p.Name, strings.Join(missing, ", "), howToDefine)
	}
	if p.Plain != nil && len(undefined(p.Lua, "add")) > 0 {
		return fmt.Errorf("algorithm %s: Plain is not nil, and Lua does not define add%s", p.Name, howToDefine)
	}
	return nil
}

// maxExact is the limit up to which a double represents every integer.
const maxExact = 1 << 53

func validName(name string) bool {
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return 0 < len(name) && len(name) <= 64
}

var definition = regexp.MustCompile(`(?m)^local\s+(?:function\s+)?(\w+)\b`)

const howToDefine = `: must be a local function, whose "local" is at the beginning of a line`

// undefined returns those of the functions that lua does not define. Without this check, a
// missing function would show only in the first decision, and the limiter would then fail
// open.
func undefined(lua string, functions ...string) []string {
	found := map[string]bool{}
	for _, match := range definition.FindAllStringSubmatch(lua, -1) {
		found[match[1]] = true
	}
	return slices.DeleteFunc(functions, func(name string) bool { return found[name] })
}

// composeMath returns the Lua that defines a limit's functions.
func composeMath(limit *Plan) string {
	if limit.Plain == nil {
		return limit.Lua + "\nlocal add = nil\n"
	}
	return limit.Lua + "\n"
}

func composeSingle(limit *Plan, across bool) string {
	var b strings.Builder
	b.WriteString(composeMath(limit))
	b.WriteString(changeLua)
	fmt.Fprintf(&b, "\nlocal additive, across = %t, %t\n", limit.Additive, across)
	before := "" // Lua that turns a place in the args into one in ARGV
	if across {
		b.WriteString("local before = ARGV[1] + 1\n")
		b.WriteString("local KEYS = {unpack(ARGV, 2, before)}\n")
		before = "before + "
	}
	fmt.Fprintf(&b, "local first = %s%d\n", before, len(limit.Params)+1)
	b.WriteString("local p1, p2, p3, p4, p5, p6")
	separator := " = "
	for i := range limit.Params {
		fmt.Fprintf(&b, "%sARGV[%s%d] + 0", separator, before, i+1)
		separator = ", "
	}
	b.WriteString("\n")
	b.WriteString(singleLua)
	b.WriteString(finishLua)
	return b.String()
}

func composeJoint(limits []*Plan) string {
	var b strings.Builder
	b.WriteString("local limits = {}\n")
	first, written := 1, map[string]int{}
	for i, limit := range limits {
		math := composeMath(limit)
		if at, ok := written[math]; ok {
			fmt.Fprintf(&b, "limits[%d] = {limits[%d][1], limits[%d][2], limits[%d][3], %d, limits[%d][5]}\n", i+1, at, at, at, first, at)
		} else {
			fmt.Fprintf(&b, "do\n%s\nlimits[%d] = {read, step, write, %d, add}\nend\n", math, i+1, first)
			written[math] = i + 1
		}
		first += len(limit.Params)
	}
	b.WriteString(changeLua)
	fmt.Fprintf(&b, "\nlocal first = %d\n", first)
	b.WriteString(jointLua)
	b.WriteString(finishLua)
	return b.String()
}

// Limits returns how many limits decide.
func (p *Program) Limits() int { return len(p.limits) }

// Script returns the composed script.
func (p *Program) Script() *store.Script { return p.script }

// Across returns the script for keys in several hash slots of a Cluster, for
// [store.Spanning]. It takes the same args and gives the same reply. It is nil for
// several limits.
func (p *Program) Across() *store.Script { return p.across }

// AppendParams appends the limits' parameters to args: a run's args begin with
// them.
func (p *Program) AppendParams(args []int64) []int64 { return append(args, p.params...) }

// AppendRequest appends to args a request for n units, n >= 0, of the state whose key is at
// place in the run's keys, counted from 0. A decision is one request to each of the
// program's limits, in their order. If any request for units is denied, nothing is taken.
// Decisions are made in the order in which they are appended.
func (p *Program) AppendRequest(args []int64, n int64, place int) []int64 {
	return append(args, n, int64(place)+1)
}

// again is added to the place of a request's key for each repeat of the request. It is 65536
// in single.lua.
const again = 1 << 16

// AppendRepeats appends to args a number of requests for n units each, n >= 0, of the state
// whose key is at place. They are decided one right after the other. AppendRepeats is for
// programs of one limit.
//
// Once one of the requests is denied, or fails, those after it get the same outcome. Read
// their outcomes with [Program.Outcomes].
func (p *Program) AppendRepeats(args []int64, n int64, requests, place int) []int64 {
	return append(args, n, int64(requests-1)*again+int64(place)+1)
}

// AppendOnes appends to args a request for one unit of each key from place on. They must be
// the last requests of the run, and the only ones for their keys. AppendOnes is for programs
// of one limit, and costs less than AppendRequest for each key.
func (p *Program) AppendOnes(args []int64, place int) []int64 {
	return append(args, int64(place)+1)
}
