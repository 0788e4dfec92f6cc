// Package record keeps a trust's own patients and documents.
package record
