package embedded

import (
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/distributed-rate-limiter/ratelimit/store"
)

var (
	clockScript = store.NewScript("time", "local t = redis.call('TIME') return {tonumber(t[1]), tonumber(t[2])}")
	setScript   = store.NewScript("set", "redis.call('SET', KEYS[1], 'v', 'PX', ARGV[1]) return {redis.call('PTTL', KEYS[1])}")
	leftScript  = store.NewScript("left", "return {redis.call('PTTL', KEYS[1])}")
)

// scriptTime returns the time that a script reads.
func scriptTime(t *testing.T, r *Redis) time.Time {
	t.Helper()
	got, err := r.Run(t.Context(), clockScript, nil, nil)
	require.NoError(t, err)
	return time.Unix(got[0], got[1]*1000)
}

// set gives the key ms milliseconds to live.
func set(t *testing.T, r *Redis, key string, ms int64) {
	t.Helper()
	_, err := r.Run(t.Context(), setScript, []string{key}, []int64{ms})
	require.NoError(t, err)
}

// left returns the milliseconds that the key has to live: -2 if it is gone.
func left(t *testing.T, r *Redis, key string) int64 {
	t.Helper()
	got, err := r.Run(t.Context(), leftScript, []string{key}, nil)
	require.NoError(t, err)
	return got[0]
}

// awaitGone asks for the key until it has expired by the real clock.
func awaitGone(t *testing.T, r *Redis, key string) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); left(t, r, key) != -2; {
		require.True(t, time.Now().Before(end), "%s does not expire", key)
	}
}

func TestClockRuns(t *testing.T) {
	r := start(t)
	before := time.Now().Truncate(time.Microsecond)
	first := scriptTime(t, r)
	second := r.Now()
	require.False(t, first.Before(before))
	require.False(t, second.Before(first))
	require.False(t, time.Now().Before(second))

	set(t, r, "short", 1)
	set(t, r, "long", 3_600_000)
	awaitGone(t, r, "short")
	require.Positive(t, left(t, r, "long"))
}

func TestAdvance(t *testing.T) {
	r := start(t)
	before := r.Now()
	r.Advance(time.Hour)
	now := r.Now()
	require.GreaterOrEqual(t, now.Sub(before), time.Hour)
	require.Less(t, now.Sub(before), 2*time.Hour)
	require.True(t, now.Equal(scriptTime(t, r)))

	r.Advance(1500 * time.Microsecond)
	require.Equal(t, 1500*time.Microsecond, r.Now().Sub(now))
	require.True(t, r.Now().Equal(scriptTime(t, r)))
}

func TestAdvanceExpires(t *testing.T) {
	r := start(t)
	set(t, r, "k", 1000) // while the clock runs
	r.Advance(999 * time.Millisecond / 2)
	require.Positive(t, left(t, r, "k"))
	r.Advance(time.Second)
	require.EqualValues(t, -2, left(t, r, "k"))

	set(t, r, "k", 1000) // while it stands still
	r.Advance(time.Second - time.Microsecond)
	require.NotEqualValues(t, -2, left(t, r, "k"), "not before its time")
	r.Advance(time.Microsecond)
	require.EqualValues(t, -2, left(t, r, "k"), "at its time")
}

func TestSetTime(t *testing.T) {
	r := start(t)
	for _, year := range []int{1970, 2017, 2025, 2034, 2106, 2200, 2255, 2261, 1970, 2038} {
		at := time.Date(year, 7, 1, 2, 3, 4, 123_456_789, time.FixedZone("", 3600))
		r.SetTime(at)
		want := at.Truncate(time.Microsecond)
		require.True(t, want.Equal(r.Now()), "%v, not %v", r.Now(), want)
		require.True(t, want.Equal(scriptTime(t, r)), "%v, not %v", scriptTime(t, r), want)
	}
}

func TestSetTimeExpires(t *testing.T) {
	r := start(t)
	base := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	r.SetTime(base)
	set(t, r, "k", 10_000)
	set(t, r, "later", 60_000)

	r.SetTime(base.Add(-time.Hour))
	require.EqualValues(t, 3_610_000, left(t, r, "k"), "the end stays where it was")
	r.SetTime(base.Add(4 * time.Second))
	require.EqualValues(t, 6_000, left(t, r, "k"))
	r.SetTime(base.Add(10*time.Second - time.Microsecond))
	require.NotEqualValues(t, -2, left(t, r, "k"))
	r.SetTime(base.Add(10 * time.Second))
	require.EqualValues(t, -2, left(t, r, "k"))

	// An expired key stays gone, even if nothing looked at it while the clock was ahead.
	r.SetTime(base.Add(time.Hour))
	r.SetTime(base)
	require.EqualValues(t, -2, left(t, r, "later"))
}

func TestSetTimeMovesEveryExpiry(t *testing.T) {
	r := start(t)
	client := connect(t, r)
	base := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	r.SetTime(base)
	ctx := t.Context()
	require.NoError(t, client.Set(ctx, "absolute", "v", 0).Err())
	require.True(t, client.PExpireAt(ctx, "absolute", base.Add(time.Minute)).Val())
	require.NoError(t, client.HSet(ctx, "hash", "f", "v", "g", "v").Err())
	require.NoError(t, client.HExpire(ctx, "hash", time.Minute, "f").Err())

	other := redis.NewClient(&redis.Options{Addr: r.Addr(), DB: 3})
	defer other.Close()
	require.NoError(t, other.Set(ctx, "other", "v", time.Minute).Err())

	r.SetTime(base.Add(-time.Second))
	require.Equal(t, 61*time.Second, client.PTTL(ctx, "absolute").Val())
	require.Equal(t, 61*time.Second, other.PTTL(ctx, "other").Val())

	r.Advance(61*time.Second - time.Microsecond)
	require.Equal(t, []string{"f", "g"}, client.HKeys(ctx, "hash").Val())

	r.Advance(time.Microsecond)
	require.Zero(t, client.Exists(ctx, "absolute").Val())
	require.Zero(t, other.Exists(ctx, "other").Val())
	require.Equal(t, []string{"g"}, client.HKeys(ctx, "hash").Val())
}

func TestSetTimeZeroReleases(t *testing.T) {
	r := start(t)
	for _, offset := range []time.Duration{-24 * time.Hour, 24 * time.Hour} {
		before := r.Now()
		set(t, r, "k", (48 * time.Hour).Milliseconds())
		r.SetTime(time.Now().Add(offset))
		r.SetTime(time.Time{})
		now := scriptTime(t, r)
		require.False(t, now.Before(before))
		require.False(t, time.Now().Before(now))
		remaining := time.Duration(left(t, r, "k")) * time.Millisecond
		require.LessOrEqual(t, remaining, 48*time.Hour)
		require.Greater(t, remaining, 47*time.Hour)
	}
	set(t, r, "short", 1)
	awaitGone(t, r, "short")
}

func TestSetTimeBackAfterIdleness(t *testing.T) {
	r := start(t)
	before := r.Now()
	set(t, r, "k", time.Hour.Milliseconds())
	after := r.Now()
	for r.Now().Sub(after) < 5*time.Millisecond { // meanwhile nothing looks at a key
	}
	base := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	r.SetTime(base)
	end := base.Add(time.Duration(left(t, r, "k")) * time.Millisecond)
	require.False(t, end.Before(before.Add(time.Hour-time.Millisecond)), "PTTL leaves fractions off")
	require.False(t, end.After(after.Add(time.Hour)), "the key got %v too much", end.Sub(after.Add(time.Hour)))
}

func TestSetTimeZeroExpiresNothingElse(t *testing.T) {
	r := start(t)
	set(t, r, "k", time.Hour.Milliseconds())
	var group sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if _, err := r.Run(t.Context(), leftScript, []string{"k"}, nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 500 {
		r.SetTime(r.Now())
		r.SetTime(time.Time{})
	}
	close(done)
	group.Wait()
	require.Positive(t, left(t, r, "k"))
}
