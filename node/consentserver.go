package node

import (
	"context"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// RecordDirective records what a patient says.
func (s adminServer) RecordDirective(ctx context.Context, q *admin.RecordDirectiveRequest) (*admin.RecordDirectiveReply, error) {
	return s.n.RecordDirective(ctx, q)
}

// Directives lists what a patient has said.
func (s adminServer) Directives(ctx context.Context, q *admin.DirectivesRequest) (*admin.DirectivesReply, error) {
	return s.n.Directives(ctx, q)
}

// WithdrawDirective ends a directive.
func (s adminServer) WithdrawDirective(ctx context.Context, q *admin.WithdrawDirectiveRequest) (*admin.RecordDirectiveReply, error) {
	return s.n.WithdrawDirective(ctx, q)
}

// Receipt says how far a directive has come.
func (s adminServer) Receipt(ctx context.Context, q *admin.ReceiptRequest) (*admin.ReceiptReply, error) {
	return s.n.Receipt(ctx, q)
}
