package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// admin manages the Redis, on a connection that no contestant uses.
type admin struct {
	client *redis.Client
}

func newAdmin(addr string) *admin {
	return &admin{redis.NewClient(&redis.Options{Addr: addr, PoolSize: 1, ReadTimeout: time.Minute, ContextTimeoutEnabled: true})}
}

func (a *admin) close() { _ = a.client.Close() }

var errNotEmpty = errors.New("the Redis has keys, and would lose them: give an empty one")

// requireEmpty returns an error if any database has keys, or if Redis does not answer.
func (a *admin) requireEmpty(ctx context.Context) error {
	info, err := a.info(ctx, "keyspace")
	if err != nil {
		return err
	}
	for name := range info {
		if strings.HasPrefix(name, "db") {
			return errNotEmpty
		}
	}
	return nil
}

// flush empties all databases, and returns when that is done.
func (a *admin) flush(ctx context.Context) error {
	if err := a.client.FlushAll(ctx).Err(); err != nil {
		return fmt.Errorf("flush Redis: %w", err)
	}
	return nil
}

// swap exchanges the contents of database 0, which all contestants use, with those of
// another database. It takes no time, and leaves connections as they are.
func (a *admin) swap(ctx context.Context, database int) error {
	if err := a.client.Do(ctx, "swapdb", 0, database).Err(); err != nil {
		return fmt.Errorf("swap databases 0 and %d: %w", database, err)
	}
	return nil
}

// info returns the fields of one section of INFO.
func (a *admin) info(ctx context.Context, section string) (map[string]string, error) {
	text, err := a.client.Info(ctx, section).Result()
	if err != nil {
		return nil, fmt.Errorf("ask Redis for INFO %s: %w", section, err)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields, nil
}

// redisUsage is what Redis has used since it started.
type redisUsage struct {
	cpu   time.Duration // in user and system mode, of all its threads
	bytes int64         // received and sent
}

func (u redisUsage) since(earlier redisUsage) redisUsage {
	return redisUsage{u.cpu - earlier.cpu, u.bytes - earlier.bytes}
}

// usage asks Redis for its usage so far.
func (a *admin) usage(ctx context.Context) (redisUsage, error) {
	cpu, err := a.info(ctx, "cpu")
	if err != nil {
		return redisUsage{}, err
	}
	stats, err := a.info(ctx, "stats")
	if err != nil {
		return redisUsage{}, err
	}
	seconds := number(cpu["used_cpu_user"]) + number(cpu["used_cpu_sys"])
	return redisUsage{
		cpu:   time.Duration(seconds * float64(time.Second)),
		bytes: int64(number(stats["total_net_input_bytes"]) + number(stats["total_net_output_bytes"])),
	}, nil
}

// memory returns the bytes that Redis has in use, except for those of connections.
func (a *admin) memory(ctx context.Context) (float64, error) {
	info, err := a.info(ctx, "memory")
	if err != nil {
		return 0, err
	}
	return number(info["used_memory"]) - number(info["mem_clients_normal"]), nil
}

// number parses a number of INFO. A field that the server lacks counts as 0.
func number(text string) float64 {
	n, _ := strconv.ParseFloat(text, 64)
	return n
}
