package policy

import (
	"strings"

	"github.com/ridgeway-exchange/ridgeway/federation"
)

const defaultAgreement = `// Sharing agreement of CUSTODIAN: direct care across the region.

@id("direct-care")
@reason("direct care by a clinician of an active trust of the region, up to confidentiality N")
permit (
  principal in Role::"clinician",
  action in [Action::"see", Action::"open"],
  resource
)
when {
  [Purpose::"TREAT", Purpose::"ETREAT", Purpose::"COC"].contains(context.purpose) &&
  resource.confidentiality in Confidentiality::"N"
};

@id("own-records")
@reason("staff of CUSTODIAN work with its own records, up to confidentiality R")
permit (
  principal in Trust::"CUSTODIAN",
  action in [Action::"see", Action::"open"],
  resource in Trust::"CUSTODIAN"
)
when {
  principal.role in [Role::"clinician", Role::"social-worker", Role::"care-coordinator", Role::"records-staff", Role::"governance-lead"] &&
  resource.confidentiality in Confidentiality::"R"
};

@id("break-glass")
@reason("a clinician opens a record in an emergency, up to confidentiality R")
permit (
  principal in Role::"clinician",
  action == Action::"open_break_glass",
  resource
)
when {
  [Purpose::"TREAT", Purpose::"ETREAT", Purpose::"BTG"].contains(context.purpose) &&
  resource.confidentiality in Confidentiality::"R"
};
`

// DefaultAgreement returns the text of the agreement that a trust starts with: clinicians of the region's active trusts
// see and open its documents for direct care up to confidentiality N; its own clinical and records staff work with its
// own records up to R; clinicians may break the glass up to R. Nothing shares V, and nothing shares with an
// administrator.
func DefaultAgreement(custodian federation.TrustID) string {
	return strings.ReplaceAll(defaultAgreement, "CUSTODIAN", string(custodian))
}
