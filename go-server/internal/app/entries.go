package app

import (
	"errors"
	"math"
	"sync"
	"unicode/utf8"
)

const (
	// EntryIDMax bounds the number of an entry.
	EntryIDMax = math.MaxInt32
	// entryBytesMax bounds the value of an entry, in bytes.
	entryBytesMax = 1024
)

var errEntryValue = errors.New("the value is empty, too long or not UTF-8")

// EntryCount is the response to GET /kv.
type EntryCount struct {
	Count int `json:"count"`
}

// StoredEntry is the response to PUT /kv/{id}.
type StoredEntry struct {
	ID    uint32 `json:"id"`
	Bytes int    `json:"bytes"`
}

// Entries is a cache in the server's own memory: texts by number. It is safe for concurrent use.
type Entries struct {
	mu     sync.RWMutex
	values map[uint32]string
}

// NewEntries returns a cache with no entry yet.
func NewEntries() *Entries {
	return &Entries{values: make(map[uint32]string)}
}

// Get returns the value of an entry, and whether there is one.
func (e *Entries) Get(id uint32) (string, bool) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	value, ok := e.values[id]
	return value, ok
}

// Put stores a copy of value, in the place of an earlier one.
func (e *Entries) Put(id uint32, value []byte) (StoredEntry, error) {
	if len(value) < 1 || len(value) > entryBytesMax || !utf8.Valid(value) {
		return StoredEntry{}, errEntryValue
	}
	copied := string(value)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.values[id] = copied
	return StoredEntry{ID: id, Bytes: len(copied)}, nil
}

// Count returns how many entries there are.
func (e *Entries) Count() EntryCount {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return EntryCount{Count: len(e.values)}
}
