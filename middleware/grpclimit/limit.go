package grpclimit

import (
	"context"
	"errors"
	"fmt"

	"github.com/distributed-rate-limiter/ratelimit"
)

// Limit is one of the limits that calls must keep.
type Limit struct {
	// Name tells the limit from the others in the status of a denied call and in its
	// [Denial]. It is printable ASCII, and no two limits have the same. If empty it is
	// "default".
	Name string
	// Limiter decides. It is required.
	Limiter *ratelimit.Limiter
	// Identity returns the client that a call is limited as. It is required.
	Identity Identity
	// Cost returns how many units a call takes, or a message under [WithMessages]; nil
	// means 1. This limit does not apply to a call that costs 0. A call of negative cost
	// is refused with InvalidArgument. Cost is called before Identity, from any number of
	// goroutines.
	Cost func(ctx context.Context, call Call) int64
}

// units returns how many units the call takes.
func (l *Limit) units(ctx context.Context, call Call) int64 {
	if l.Cost == nil {
		return 1
	}
	return l.Cost(ctx, call)
}

// checkLimits returns a copy of limits in which every limit has its name.
func checkLimits(limits []Limit) ([]Limit, error) {
	if len(limits) == 0 {
		return nil, errors.New("no limits")
	}
	checked := make([]Limit, len(limits))
	names := map[string]bool{}
	for i, limit := range limits {
		if limit.Name == "" {
			limit.Name = "default"
		}
		switch {
		case limit.Limiter == nil:
			return nil, fmt.Errorf("limits[%d]: Limiter is nil", i)
		case limit.Identity == nil:
			return nil, fmt.Errorf("limits[%d]: Identity is nil", i)
		case !isPrintable(limit.Name):
			return nil, fmt.Errorf("limits[%d]: Name is %q: must be of printable ASCII", i, limit.Name)
		case names[limit.Name]:
			return nil, fmt.Errorf("limits[%d]: Name is %q, as that of another is", i, limit.Name)
		}
		names[limit.Name] = true
		checked[i] = limit
	}
	return checked, nil
}

func isPrintable(name string) bool {
	for _, c := range []byte(name) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
