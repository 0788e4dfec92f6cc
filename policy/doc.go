// Package policy answers one question: may this person see or open this document?
//
// It stands beside storage, above the vocabulary and below everything that releases or shows a document. Decide is a pure
// function over a request and the facts that were agreed. The custodian runs it before a byte leaves; the requester's
// node runs the same function over the same facts to leave out, before anything is counted, what a user may not know of.
// A custodian's sharing agreement is Cedar text, checked against schema.cedarschema when it is written and when it is loaded.
//
// # Invariants
//
//   - Doubt is a refusal. Decide has no error result: a fact that is missing, zero or out of range refuses.
//   - More denials never permit more: an objection, a suspension or a forbid rule added to the facts leaves a refusal
//     a refusal and can only turn a permit into one.
//   - Every decision names the rules that made it, with their versions.
//   - A rule that fails to evaluate refuses, whatever the other rules say. Cedar on its own would skip it.
//
// # Precedence
//
//  1. standing: The region, the requester's trust or the custodian is not active: refused.
//  2. legal: The document is of a legally restricted class: refused, in an emergency too.
//  3. directive: The patient's directives: refused where one of them refuses, but for its exceptions; a newer consent to exactly the same sets it aside, else refusal wins; a consent permits nothing by itself.
//  4. agreement: The custodian's agreement: refused unless a rule permits and none forbids.
//  5. break-glass: Breaking the glass, where the agreement permits open_break_glass: passes 3 and a stale lease, never 1 and 2.
//
// # Directives
//
// An objection refuses what its scope covers, a withdrawn or superseded one or one past its end never. Only a later consent to
// exactly the same scope sets it aside; an objection recorded at this node counts before the region has agreed on it, a consent
// only after. Within its exceptions an objection says nothing, and a consent refuses. What is not known of a document counts
// against the requester: an objection that may cover covers. Staff of the custodian are concerned only where their trust is named.
//
// # Files
//
//   - request.go, decide.go, outcome.go, precedence.go, errors.go: what is asked and known, the decision and its reasons.
//   - agreement.go, compile.go, settle.go, overruled.go, mentions.go, entities.go, schema.go, default.go: Cedar text, checked and evaluated.
//   - form.go, formread.go, formvalue.go, block.go, blocktable.go, blockrules.go, blockcompile.go, starter.go: agreements of building blocks.
//   - lint.go, check.go, checkrules.go, checksets.go, checkdomain.go, checkworld.go: what is wrong with an agreement before it is signed.
//   - directive.go, directiveparse.go, directiveconflict.go, directivewords.go, directivenames.go: what patients say, read and in words.
//   - roles.go, labels.go, relationship.go: words that documents and users come with.
//   - sight.go, who.go, simulate.go, simulategroup.go, simulatematrix.go, relabel.go: many decisions at once, for lists and for what would be.
//
// # Limits
//
// Agreement text is at most 192 KiB and 2,000 rules; a rule is at most 16 KiB, nested at most 32 deep.
//
// # Compatibility
//
// Outcomes and their names are published and appended, never reordered. Agreements are text that trusts have signed, and are
// read again at every start: roles, purposes, actions and attributes of the schema are added to, never renamed or removed.
package policy
