// Package hashslot computes the Redis Cluster hash slot of a key.
package hashslot

import "strings"

// Count is how many hash slots a Redis Cluster has.
const Count = 16384

// Of returns the slot of key. That is the CRC16, modulo Count, of the key's hash tag, which
// is the text between the first "{" and the next "}", or of the whole key if there is no
// such tag or the tag is empty.
//
// See https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags.
func Of(key string) uint16 {
	if open := strings.IndexByte(key, '{'); open >= 0 {
		if length := strings.IndexByte(key[open+1:], '}'); length > 0 {
			key = key[open+1 : open+1+length]
		}
	}
	return crc16(key) % Count
}

// Partition returns the slot of key as a partition of store.Partitioned, spread over 64
// bits: each node of a Cluster has ranges of slots.
func Partition(key string) uint64 { return uint64(Of(key)) << shift }

// OfPartition returns the slot of a partition.
func OfPartition(partition uint64) uint16 { return uint16(partition >> shift) }

const shift = 50 // 64 bits less the 14 of a slot

// Same reports whether all keys are in one slot. It is true if there are no keys.
func Same(keys []string) bool {
	if len(keys) < 2 {
		return true
	}
	first := Of(keys[0])
	for _, key := range keys[1:] {
		if Of(key) != first {
			return false
		}
	}
	return true
}

// crc16 is CRC-16/XMODEM: polynomial 0x1021, initial value 0, nothing reflected.
func crc16(s string) uint16 {
	var crc uint16
	for i := range len(s) {
		crc = crc<<8 ^ table[byte(crc>>8)^s[i]]
	}
	return crc
}

var table = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()
