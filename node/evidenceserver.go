package node

import (
	"context"

	"google.golang.org/grpc"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// SearchAudit searches the audit log.
func (s adminServer) SearchAudit(ctx context.Context, q *admin.SearchAuditRequest) (*admin.SearchAuditReply, error) {
	return s.n.SearchAudit(ctx, q)
}

// ExportAudit sends the audit log as FHIR AuditEvents.
func (s adminServer) ExportAudit(q *admin.ExportAuditRequest, stream grpc.ServerStreamingServer[admin.ExportAuditReply]) error {
	return s.n.ExportAudit(stream.Context(), q, func(line []byte) error { return stream.Send(&admin.ExportAuditReply{Line: line}) })
}

// Report gathers every access to a patient's documents.
func (s adminServer) Report(ctx context.Context, q *admin.ReportRequest) (*admin.ReportReply, error) {
	return s.n.Report(ctx, q)
}

// Reconcile compares this node's log with those of other trusts.
func (s adminServer) Reconcile(ctx context.Context, q *admin.ReconcileRequest) (*admin.ReconcileReply, error) {
	return s.n.Reconcile(ctx, q)
}

// AuditRoots tells what the region has committed of audit logs.
func (s adminServer) AuditRoots(ctx context.Context, q *admin.AuditRootsRequest) (*admin.AuditRootsReply, error) {
	return s.n.AuditRoots(ctx, q)
}
