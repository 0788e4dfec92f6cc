package policy

// StarterBlocks are the usual building blocks of a form with comments, for people to begin with: a name goes before them, and
// more blocks may follow.
const StarterBlocks = `blocks:
  # Our own staff work with our own records.
  - block: own-records

  # Clinicians of these trusts see and open documents for direct care. Name them by
  # ODS code, such as [RAS, R1H], or say "all".
  - block: direct-care
    trusts: all
    up-to: N                  # most confidential that is shared: L, M, N, R or V

  # Clinicians may open a record in an emergency, with a reason; it is reviewed.
  - block: break-glass
    up-to: R

  # Never for research or marketing, whatever another block gives.
  - block: research-never
`
