// Package web is the portal of a node: what people see of the region in a browser.
//
// It stands beside the command line and asks the node the same questions, through the interface Region that package node
// fills. Everything that it shows was filtered and decided on below it, and every byte of a document came through a release
// that was decided on, checked and written down; the portal adds who the user is, and for which patient, purpose and
// relationship they ask.
//
// # Invariants
//
//   - A page belongs to one patient by its address: a key that one session holds, never a patient "in context". Two tabs on two
//     patients cannot touch each other, and an NHS number stands in no address.
//   - Who asks is what the identity provider said, never a field of a form.
//   - Nothing of a document leaves the portal before all of it that is sent was verified; a page that fails its check is not
//     shown.
//   - What changes anything is a POST with the session's token, from a page of this origin.
//   - Pages about a patient are not stored by browsers. No page has inline script or style, and none asks another host for
//     anything.
//   - No log line names a patient.
//   - Patients and staff have sessions of two kinds, and neither opens a page of the other.
//
// # Files
//
// Templates and what browsers run lie in templates and static, a template for each page.
//
//   - portal.go, settings.go, errors.go: what a portal is given.
//   - region.go, regionask.go, recordsask.go, governing.go, myask.go, keeping.go, attendance.go: what it asks of the node.
//   - handler.go, assets.go, pdfjs.go, certificate.go, ratelimit.go, slots.go: the server, its headers, its bounds.
//   - pages.go, forms.go, options.go, words.go, codewords.go, look.go, refusal.go, areas.go: what all pages share; who is led where.
//   - signon.go, provider.go, signonpages.go, signonwords.go, claims.go, patientsignon.go, persona.go, launch.go, recordsystem.go: who somebody is.
//   - session.go, ends.go, remains.go, unsent.go, places.go, patient.go, visit.go, views.go: what a session knows, of its patients too.
//   - find.go, named.go, timeline.go, filter.go: a patient is found, and what there is of them.
//   - document.go, fetch.go, send.go, coming.go, beside.go, picture.go, lineart.go, structured.go, identity.go, dicom*.go: a
//     document is fetched, checked and shown, by kind.
//   - emergency.go, why.go: break-glass; why somebody may open something.
//   - records.go, recordstake.go, recordschange.go, relabelling.go: the pages of records staff.
//   - agreements.go, draft.go, diff.go, simulation.go: agreements, from draft to decision.
//   - reviews.go, watched.go, suspensions.go, auditsearch.go, trustnamed.go, auditproof.go: the other pages of governance.
//   - wishes.go, wishexcept.go, my.go, mychoice.go, mywords.go: what patients object to, by staff and by themselves; their own pages.
//   - regionpage.go, regionmap.go, regionstream.go: the picture of the region, as it changes.
//
// # Limits
//
// Sessions are held in memory: 10,000 of them, 10 of one user, and they end with the process; which patients they had open is kept. A session knows its last 50
// patients. A timeline has at most 5,000 documents. A page image has at most 100 million pixels and 64 MiB, text and
// structured documents are shown up to 4 MiB, and DICOM up to 16,384 frames; what is larger, and every format without a viewer, is offered as a download.
// A request brings documents of 4 GiB and 200 files at most, 16 such requests at a time, 4 of one person.
//
// # Compatibility
//
// Addresses of pages are for links within a session; /launch, the callbacks of sign-on and the names of settings are stable.
package web
