package gossip

import "errors"

var (
	// ErrConfig is returned by New when the configuration lacks something or contradicts itself.
	ErrConfig = errors.New("gossip configuration")
	// ErrClosed is returned for what is asked of a gossip that was closed.
	ErrClosed = errors.New("gossip is closed")
	// ErrRefused is returned when a peer's message is not one that an honest peer sends.
	ErrRefused = errors.New("gossip message refused")
)
