//go:build race

package exchange

// scaled makes what is only a matter of volume smaller where every access is watched.
const scaled = 8
