package admin

import (
	"strings"
	"unicode"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

// MaxLine is the most bytes that any text of a request has, but for rules. Most have limits of their own.
const MaxLine = 1024

// checkRequest refuses a request that has, in any of its fields, text that is not one line: reasons, evidence and names are shown to
// people, on terminals and in reports, and signed. Rules of an agreement are a file.
func checkRequest(m proto.Message) error {
	if m == nil {
		return nil
	}
	return checkLines(m.ProtoReflect())
}

func checkLines(m protoreflect.Message) (err error) {
	if _, rules := m.Interface().(*AgreementText); rules {
		return nil
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		one := func(v protoreflect.Value) bool {
			switch f.Kind() {
			case protoreflect.StringKind:
				if fault := federation.LineFault(v.String(), MaxLine); fault != "" {
					err = Errorf(CodeBadInput, "%s %s: give it as one line of text", f.Name(), fault)
				}
			case protoreflect.MessageKind:
				err = checkLines(v.Message())
			default:
			}
			return err == nil
		}
		if !f.IsList() {
			return f.IsMap() || one(v)
		}
		for i := range v.List().Len() {
			if !one(v.List().Get(i)) {
				return false
			}
		}
		return true
	})
	return err
}

// Arg returns text as a shell takes it for one argument: as it is where that is so, in double quotes otherwise, and in single ones where
// a shell would find something to replace. It is for commands that people are told to run.
func Arg(text string) string {
	plain := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("/._-+=:,@%", r)
	}
	switch {
	case text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }):
		return text
	case !strings.ContainsAny(text, "\"$`\\!"):
		return `"` + text + `"`
	default:
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
}

// linesStream checks what comes in of a call that streams. Documents that are taken in are checked, and refused, one by one.
type linesStream struct{ grpc.ServerStream }

// RecvMsg reads a message and checks it.
func (s linesStream) RecvMsg(m any) error {
	if err := s.ServerStream.RecvMsg(m); err != nil {
		return err
	}
	if _, document := m.(*TakeRequest); document {
		return nil
	}
	if q, ok := m.(proto.Message); ok {
		return checkRequest(q)
	}
	return nil
}
