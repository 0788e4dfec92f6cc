package admin

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Code is a stable, machine-readable name of what went wrong.
type Code string

// The codes, and the exit status that the command line ends with.
const (
	CodeBadInput    Code = "BAD_INPUT"    // 2: the command or its input is wrong
	CodeConfig      Code = "CONFIG"       // 2: the configuration is wrong or unsafe
	CodeNotFound    Code = "NOT_FOUND"    // 3: no such document, or none that the user may know of
	CodeDenied      Code = "DENIED"       // 4: the custodian's rules or the patient refuse
	CodeTooMany     Code = "TOO_MANY"     // 4: more than a user or a trust may have in a time
	CodeStale       Code = "STALE_POLICY" // 5: the custodian cannot prove that its rules are recent
	CodeUnavailable Code = "UNAVAILABLE"  // 5: a site or the node does not answer
	CodeNoQuorum    Code = "NO_QUORUM"    // 5: the region cannot agree now
	CodeIntegrity   Code = "INTEGRITY"    // 6: bytes are not what they must be
	CodeDiskFull    Code = "DISK_FULL"    // 7: too little space is free
	CodeInUse       Code = "IN_USE"       // 8: another process has the data folder, or the port
	CodeWrongKey    Code = "WRONG_KEY"    // 8: the master key does not open the data folder
	CodeDataFolder  Code = "DATA_FOLDER"  // 8: not a data folder, of another version, or of another node
	CodeInvitation  Code = "INVITATION"   // 9: the invitation cannot be redeemed
	CodePartly      Code = "PARTLY"       // 10: some of many were refused
	CodeInterrupted Code = "INTERRUPTED"  // 130: stopped by the user
	CodeInternal    Code = "INTERNAL"     // 1: anything else
)

// Error is a failure with a code, and a message that says what, where and what to do next.
type Error struct {
	Code    Code
	Message string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Errorf returns an Error.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// CodeOf returns the code of err: CodeInternal when it carries none, CodeInterrupted when a context was cancelled.
func CodeOf(err error) Code {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e.Code
	case errors.Is(err, context.Canceled):
		return CodeInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		return CodeUnavailable
	default:
		return CodeInternal
	}
}

// ToStatus returns err as it crosses the socket.
func ToStatus(err error) error {
	if err == nil {
		return nil
	}
	st, detailErr := status.New(codes.Unknown, err.Error()).WithDetails(&Problem{Code: string(CodeOf(err)), Message: err.Error()})
	if detailErr != nil {
		return status.Error(codes.Unknown, err.Error())
	}
	return st.Err()
}

// FromStatus returns what ToStatus was given, as an *Error; a failure of the socket itself is CodeUnavailable.
func FromStatus(err error) error {
	if err == nil {
		return nil
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	for _, d := range st.Details() {
		if p, ok := d.(*Problem); ok {
			return &Error{Code: Code(p.GetCode()), Message: p.GetMessage()}
		}
	}
	switch st.Code() {
	case codes.Canceled:
		return &Error{Code: CodeInterrupted, Message: "stopped before it was done: run the same command again"}
	case codes.Unavailable:
		return &Error{Code: CodeUnavailable, Message: "the node stopped answering: " + st.Message()}
	default:
		return &Error{Code: CodeInternal, Message: st.Message()}
	}
}
