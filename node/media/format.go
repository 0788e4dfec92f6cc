package media

import (
	"path"
	"strings"
)

// Format is the kind of file that a document part is.
type Format uint8

// The formats that are told apart. Do not reorder.
const (
	FormatBinary Format = iota + 1 // bytes of no known type
	FormatPDF
	FormatTIFF
	FormatJPEG
	FormatPNG
	FormatGIF
	FormatDICOM
	FormatCDA // XML whose root is ClinicalDocument in urn:hl7-org:v3
	FormatXML
	FormatHTML
	FormatRTF
	FormatText
	FormatZIP // and what is built on it: office documents, for instance
)

type formatFacts struct {
	name, contentType string
	extensions        []string // the first is the usual one
}

// facts returns the fixed properties of f; a function rather than a table because packages hold no mutable state.
func (f Format) facts() formatFacts {
	switch f {
	case FormatPDF:
		return formatFacts{"PDF", "application/pdf", []string{"pdf"}}
	case FormatTIFF:
		return formatFacts{"TIFF", "image/tiff", []string{"tif", "tiff"}}
	case FormatJPEG:
		return formatFacts{"JPEG", "image/jpeg", []string{"jpg", "jpeg", "jpe", "jfif"}}
	case FormatPNG:
		return formatFacts{"PNG", "image/png", []string{"png"}}
	case FormatGIF:
		return formatFacts{"GIF", "image/gif", []string{"gif"}}
	case FormatDICOM:
		return formatFacts{"DICOM", "application/dicom", []string{"dcm", "dicom"}}
	case FormatCDA:
		return formatFacts{"CDA", "text/xml", []string{"cda", "xml"}}
	case FormatXML:
		return formatFacts{"XML", "application/xml", []string{"xml"}}
	case FormatHTML:
		return formatFacts{"HTML", "text/html", []string{"html", "htm", "xhtml"}}
	case FormatRTF:
		return formatFacts{"RTF", "application/rtf", []string{"rtf"}}
	case FormatText:
		return formatFacts{"plain text", "text/plain", []string{"txt", "text"}}
	case FormatZIP:
		return formatFacts{"ZIP", "application/zip", []string{"zip"}}
	case FormatBinary:
		return formatFacts{"binary", "application/octet-stream", []string{"bin"}}
	default:
		return formatFacts{"unknown", "application/octet-stream", []string{"bin"}}
	}
}

// String returns the name of f as a person writes it.
func (f Format) String() string { return f.facts().name }

// ContentType returns the media type of f (RFC 6838), without parameters. A CDA document is text/xml, as IHE XDS names it.
func (f Format) ContentType() string { return f.facts().contentType }

// Extension returns the usual file name extension of f, without the dot.
func (f Format) Extension() string { return f.facts().extensions[0] }

// FormatOf returns the format that has this media type; parameters and case are ignored, anything unknown is FormatBinary.
func FormatOf(contentType string) Format {
	base, _, _ := strings.Cut(contentType, ";")
	base = strings.ToLower(strings.TrimSpace(base))
	for f := FormatPDF; f <= FormatZIP; f++ {
		if f.ContentType() == base {
			return f
		}
	}
	return FormatBinary
}

// claimedBy returns the format that the extension of name promises, or FormatBinary when it promises none.
// Both slashes separate folders, for names come from Windows too.
func claimedBy(name string) Format {
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(strings.ReplaceAll(name, `\`, "/")), "."))
	if ext == "xml" {
		return FormatXML // CDA's second extension must not win
	}
	for f := FormatPDF; f <= FormatRTF; f++ {
		for _, e := range f.facts().extensions {
			if e == ext {
				return f
			}
		}
	}
	if ext == "txt" || ext == "text" {
		return FormatText
	}
	return FormatBinary
}

// reconcile returns the format to record for content found under a name that claims another, or false when they contradict.
func reconcile(claimed, found Format) (Format, bool) {
	switch {
	case claimed == FormatBinary || claimed == found:
		return found, true
	case claimed == FormatXML && (found == FormatCDA || found == FormatHTML):
		return found, true
	case claimed == FormatHTML && (found == FormatText || found == FormatXML):
		return FormatHTML, true // a fragment, or XHTML
	case claimed == FormatText && (found == FormatXML || found == FormatHTML || found == FormatCDA):
		return FormatText, true // markup that was named as text is shown as text
	default:
		return found, false
	}
}
