package node

import (
	"context"

	"google.golang.org/grpc"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

// adminServer is the node as the command line sees it: each call goes to the method of Node that does it.
type adminServer struct {
	admin.UnimplementedAdminServer
	n *Node
}

// Status tells how the node is.
func (s adminServer) Status(ctx context.Context, q *admin.StatusRequest) (*admin.StatusReply, error) {
	return s.n.Status(ctx, q)
}

// Invite makes an invitation.
func (s adminServer) Invite(ctx context.Context, q *admin.InviteRequest) (*admin.InviteReply, error) {
	return s.n.Invite(ctx, q)
}

// RevokeInvitation revokes invitations.
func (s adminServer) RevokeInvitation(ctx context.Context, q *admin.RevokeInvitationRequest) (*admin.RevokeInvitationReply, error) {
	return s.n.RevokeInvitation(ctx, q)
}

// Locate finds documents.
func (s adminServer) Locate(ctx context.Context, q *admin.LocateRequest) (*admin.LocateReply, error) {
	return s.n.Locate(ctx, q)
}

// Fetch streams a document.
func (s adminServer) Fetch(q *admin.FetchRequest, stream grpc.ServerStreamingServer[admin.FetchReply]) error {
	return s.n.Fetch(stream.Context(), q, stream.Send)
}

// Object records an objection.
func (s adminServer) Object(ctx context.Context, q *admin.ObjectRequest) (*admin.ObjectReply, error) {
	return s.n.Object(ctx, q)
}

// Withdraw withdraws a document.
func (s adminServer) Withdraw(ctx context.Context, q *admin.WithdrawRequest) (*admin.WithdrawReply, error) {
	return s.n.Withdraw(ctx, q)
}

// Erase destroys a withdrawn document.
func (s adminServer) Erase(ctx context.Context, q *admin.EraseRequest) (*admin.EraseReply, error) {
	return s.n.Erase(ctx, q)
}

// Relabel changes labels, or says what that would do.
func (s adminServer) Relabel(ctx context.Context, q *admin.RelabelRequest) (*admin.RelabelReply, error) {
	return s.n.Relabel(ctx, q)
}

// Suspend suspends a trust.
func (s adminServer) Suspend(ctx context.Context, q *admin.SuspendRequest) (*admin.ProposalReply, error) {
	return s.n.Suspend(ctx, q)
}

// Approve approves a proposal.
func (s adminServer) Approve(ctx context.Context, q *admin.ApproveRequest) (*admin.ProposalReply, error) {
	return s.n.Approve(ctx, q)
}

// BreakGlass declares an emergency.
func (s adminServer) BreakGlass(ctx context.Context, q *admin.BreakGlassRequest) (*admin.BreakGlassReply, error) {
	return s.n.BreakGlass(ctx, q)
}

// Reviews lists what is to be reviewed, or has been.
func (s adminServer) Reviews(ctx context.Context, q *admin.ReviewsRequest) (*admin.ReviewsReply, error) {
	return s.n.Reviews(ctx, q)
}

// CloseReview keeps how an access was judged.
func (s adminServer) CloseReview(ctx context.Context, q *admin.CloseReviewRequest) (*admin.Review, error) {
	return s.n.CloseReview(ctx, q)
}

// VerifyAudit verifies the audit log.
func (s adminServer) VerifyAudit(ctx context.Context, q *admin.VerifyAuditRequest) (*admin.VerifyAuditReply, error) {
	return s.n.VerifyAudit(ctx, q)
}

// AcceptAudit lets releases go on.
func (s adminServer) AcceptAudit(ctx context.Context, q *admin.AcceptAuditRequest) (*admin.AcceptAuditReply, error) {
	return s.n.AcceptAudit(ctx, q)
}

// Rejected lists what the region has refused.
func (s adminServer) Rejected(ctx context.Context, q *admin.RejectedRequest) (*admin.RejectedReply, error) {
	return s.n.Rejected(ctx, q)
}

// Settle deals with what the region has refused.
func (s adminServer) Settle(ctx context.Context, q *admin.SettleRequest) (*admin.SettleReply, error) {
	return s.n.Settle(ctx, q)
}

// Scrub reads and checks everything.
func (s adminServer) Scrub(ctx context.Context, q *admin.ScrubRequest) (*admin.ScrubReply, error) {
	return s.n.Scrub(ctx, q)
}

// CheckAgreement says what is wrong with an agreement.
func (s adminServer) CheckAgreement(ctx context.Context, q *admin.CheckAgreementRequest) (*admin.CheckAgreementReply, error) {
	return s.n.CheckAgreement(ctx, q)
}

// SimulateAgreement says who gains and who loses.
func (s adminServer) SimulateAgreement(ctx context.Context, q *admin.SimulateAgreementRequest) (*admin.SimulateAgreementReply, error) {
	return s.n.SimulateAgreement(ctx, q)
}

// ProposeAgreement keeps a draft until a second person decides.
func (s adminServer) ProposeAgreement(ctx context.Context, q *admin.ProposeAgreementRequest) (*admin.AgreementProposal, error) {
	return s.n.ProposeAgreement(ctx, q)
}

// ApproveAgreement decides on a proposal.
func (s adminServer) ApproveAgreement(ctx context.Context, q *admin.ApproveAgreementRequest) (*admin.AgreementProposal, error) {
	return s.n.ApproveAgreement(ctx, q)
}

// Agreements lists a trust's agreements.
func (s adminServer) Agreements(ctx context.Context, q *admin.AgreementsRequest) (*admin.AgreementsReply, error) {
	return s.n.Agreements(ctx, q)
}

// Why says by which rules a request is decided.
func (s adminServer) Why(ctx context.Context, q *admin.WhyRequest) (*admin.WhyReply, error) {
	return s.n.Why(ctx, q)
}

// Who says who could see a document.
func (s adminServer) Who(ctx context.Context, q *admin.WhoRequest) (*admin.WhoReply, error) {
	return s.n.Who(ctx, q)
}

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
