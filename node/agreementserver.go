package node

import (
	"context"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
)

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
