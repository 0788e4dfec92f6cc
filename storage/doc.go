// Package storage holds a node's data at rest.
package storage
