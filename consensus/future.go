package consensus

import (
	"reflect"

	"github.com/hashicorp/raft"
)

// outcome waits for a future of raft's until raft has ended. Raft answers those that its main loop holds when it shuts down, but not
// those that wait in its channels, and their Error would never return. Its futures have a field for this, ShutdownCh, which
// raft sets on some of them only.
func outcome(f raft.Future, ended chan struct{}) error {
	if v := reflect.ValueOf(f); v.Kind() == reflect.Pointer && v.Elem().Kind() == reflect.Struct {
		field := v.Elem().FieldByName("ShutdownCh")
		if field.IsValid() && field.CanSet() && field.Type() == reflect.TypeOf(ended) {
			field.Set(reflect.ValueOf(ended))
		}
	}
	return f.Error()
}
