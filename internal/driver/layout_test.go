package driver

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/internal/hashslot"
	"github.com/distributed-rate-limiter/ratelimit/store"
)

// aCluster is the Cluster that a Layout asks, with its replies.
type aCluster struct {
	slots   []Slots
	err     error
	reply   []int64
	refused error
	asked   atomic.Int32
	keys    []string // of the last probe
	panics  bool
}

func (c *aCluster) learn(l *Layout) {
	l.Learn("ratelimit:x", func(context.Context) ([]Slots, error) {
		c.asked.Add(1)
		if c.panics {
			panic("a hook")
		}
		return c.slots, c.err
	}, func(_ context.Context, s *store.Script, keys []string) ([]int64, error) {
		c.keys = keys
		return c.reply, c.refused
	})
	synctest.Wait()
}

var halves = []Slots{{0, 8191, "a"}, {8192, hashslot.Count - 1, "b"}}

func partition(slot int) uint64 { return uint64(slot) << 50 }

// known returns for how many slots the server is known.
func known(l *Layout) (n int) {
	for slot := range hashslot.Count {
		if _, ok := l.Server(partition(slot)); ok {
			n++
		}
	}
	return n
}

func TestLayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, c := &Layout{}, &aCluster{slots: halves, reply: []int64{1}}
		require.Zero(t, known(l))
		require.True(t, l.Due())
		c.learn(l)
		require.Equal(t, hashslot.Count, known(l))
		first, _ := l.Server(0)
		same, _ := l.Server(partition(8191))
		other, _ := l.Server(partition(8192))
		require.Equal(t, first, same)
		require.NotEqual(t, first, other)
		require.False(t, l.Due(), "it is known")

		// The probe has two keys of one server, in two slots, and one of the other server.
		require.Len(t, c.keys, 3)
		at := func(i int) (slot uint16, server uint64) {
			slot = hashslot.Of(c.keys[i])
			server, _ = l.Server(partition(int(slot)))
			return slot, server
		}
		slot0, server0 := at(0)
		slot1, server1 := at(1)
		_, server2 := at(2)
		require.NotEqual(t, slot0, slot1)
		require.Equal(t, server0, server1)
		require.NotEqual(t, server0, server2)
		for _, key := range c.keys {
			require.Regexp(t, "^ratelimit:x-[0-9]+$", key)
		}

		// If a script is refused a key, the layout is forgotten, and asked for again after a
		// second.
		refused := []store.Run{{Err: Server("CROSSSLOT x", nil)}}
		l.Note(refused)
		require.Zero(t, known(l))
		require.False(t, l.Due())
		c.learn(l)
		require.EqualValues(t, 1, c.asked.Load())
		time.Sleep(whenRefused / 2)
		l.Note(refused) // of a run that was in flight: it does not put that off
		time.Sleep(whenRefused / 2)
		require.True(t, l.Due())
		c.slots = []Slots{{0, 8000, "a"}, {8001, 16000, "b"}}
		c.learn(l)
		require.Equal(t, 16001, known(l), "some slots are nobody's")
	})
}

// TestLayoutUnknown checks that runs keep to one slot unless it is certain that a server
// refuses scripts the keys that it does not have.
func TestLayoutUnknown(t *testing.T) {
	for name, c := range map[string]*aCluster{
		"NoAnswer":       {err: errors.New("refused")},
		"Panics":         {panics: true},
		"NothingRefused": {slots: halves, reply: []int64{0}},
		"AllRefused":     {slots: halves, refused: &store.ServerError{Message: "ERR Script attempted to access undeclared keys"}},
		"OddReply":       {slots: halves, reply: []int64{1, 1}},
		"NoReply":        {slots: halves},
		"OneServer":      {slots: []Slots{{0, hashslot.Count - 1, "a"}}, reply: []int64{1}},
		"NoServer":       {reply: []int64{1}},
		"OddSlots":       {slots: []Slots{{-5, -1, "a"}, {hashslot.Count, 1 << 62, "b"}, {9, 3, "c"}}, reply: []int64{1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &Layout{}
				c.learn(l)
				require.Zero(t, known(l))
				require.False(t, l.Due(), "not at once again")
				time.Sleep(whenUnknown)
				require.True(t, l.Due())
				c.learn(l)
				require.EqualValues(t, 2, c.asked.Load())
				require.Zero(t, known(l))
			})
		})
	}
}

// TestLayoutNote checks that one run among many that was refused a key is enough to forget the
// layout, and that other errors are not.
func TestLayoutNote(t *testing.T) {
	crossSlot := Server("CROSSSLOT Keys in request don't hash to the same slot", nil)
	other := []store.Run{{}, {Err: errors.New("CROSSSLOT")}, {Err: Server("LOADING loading", nil)}}
	l := &Layout{}
	l.servers.Store(layoutOf(halves))
	l.Note(other)
	require.NotZero(t, known(l))
	l.Note(append(other, store.Run{Err: Wrap(context.Background(), "driver", crossSlot)}, store.Run{}))
	require.Zero(t, known(l))
}

// TestLayoutTag checks that there is no probe with keys of one hash tag: all are in one slot.
func TestLayoutTag(t *testing.T) {
	require.Nil(t, layoutOf(halves).probes("{x}:"))
	require.NotNil(t, layoutOf(halves).probes("x:"))
}

// TestLayoutEnds checks that a Layout asks once at a time, and not after Close. What is under
// way ends with Close, or when its own time is up.
func TestLayoutEnds(t *testing.T) {
	for _, end := range []func(*Layout){(*Layout).Close, func(*Layout) { time.Sleep(learnTimeout) }} {
		synctest.Test(t, func(t *testing.T) {
			l := &Layout{}
			asked := 0
			learn := func() {
				l.Learn("x", func(ctx context.Context) ([]Slots, error) {
					asked++
					<-ctx.Done()
					return halves, ctx.Err()
				}, nil)
			}
			learn()
			learn()
			synctest.Wait()
			end(l)
			synctest.Wait()
			require.Equal(t, 1, asked)
			require.Zero(t, known(l))
			l.Close()
			time.Sleep(whenUnknown)
			learn()
			synctest.Wait()
			require.Equal(t, 1, asked)
		})
	}
	none := (*Layout)(nil)
	none.Note([]store.Run{{Err: Server("CROSSSLOT x", nil)}})
	none.Close()
	require.False(t, none.Due())
	require.Zero(t, known(none))
}
