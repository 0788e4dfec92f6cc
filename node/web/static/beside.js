// Two documents side by side, of any kinds.
import './viewer.js'
import './pdfview.js'
