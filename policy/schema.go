package policy

import (
	_ "embed" // the schema is a file that editors and other tools of Cedar read
	"sync"

	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
)

//go:embed schema.cedarschema
var schemaText string

// Schema returns the Cedar schema that every agreement of the region is checked against, as its file has it.
func Schema() string { return schemaText }

// resolvedSchema is read-only once made.
var resolvedSchema = sync.OnceValue(func() *resolved.Schema {
	var s schema.Schema
	s.SetFilename("schema.cedarschema")
	if err := s.UnmarshalCedar([]byte(schemaText)); err != nil {
		// The schema is part of the program: a fault in it is a fault of the build, which any test shows.
		panic("the embedded schema does not parse: " + err.Error())
	}
	r, err := s.Resolve()
	if err != nil {
		panic("the embedded schema does not resolve: " + err.Error())
	}
	return r
})
