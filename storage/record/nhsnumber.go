package record

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// An NHSNumber is a valid NHS number: ten digits whose last is the right check digit (NHS Data Dictionary, "NHS NUMBER").
// Only ParseNHSNumber makes one; the zero value is no number. It is patient data: it does not log its value, and a
// message names at most its last three digits.
type NHSNumber struct{ digits string }

const (
	nhsDigits   = 10
	maxNHSInput = 64
)

// An NHSFault says what is wrong with text that is not an NHS number. Zero is invalid. Do not reorder.
type NHSFault uint8

// The faults.
const (
	NHSEmpty      NHSFault = iota + 1 // nothing but separators
	NHSCharacter                      // something that is neither digit, space nor hyphen
	NHSLength                         // not ten digits
	NHSRepeated                       // one digit ten times: 0000000000 passes the check and is what systems write for "none"
	NHSCheckDigit                     // the last digit does not follow from the others
	NHSTest                           // of the range kept for tests, in a live region
)

// NHSNumberError is returned by ParseNHSNumber and Mode.Check. It matches ErrNHSNumber. Its text is safe to show and log.
type NHSNumberError struct {
	Fault  NHSFault
	Detail string // for people; never the whole number
}

// Error returns what is wrong.
func (e *NHSNumberError) Error() string { return "NHS number: " + e.Detail }

// Is reports whether target is ErrNHSNumber.
func (e *NHSNumberError) Is(target error) bool { return target == ErrNHSNumber }

// ParseNHSNumber returns the NHS number in s, written with or without spaces and hyphens. It fails with *NHSNumberError.
// It checks the form only: whether the number is anybody's is for the Personal Demographics Service to say, and whether
// its range suits the region is for Mode.Check.
func ParseNHSNumber(s string) (NHSNumber, error) {
	if len(s) > maxNHSInput {
		return NHSNumber{}, nhsError(NHSLength, "text of %d bytes is too long to be one", len(s))
	}
	digits := make([]byte, 0, nhsDigits)
	place := 0
	for _, r := range s {
		place++
		switch {
		case '0' <= r && r <= '9':
			digits = append(digits, byte(r))
		case isNHSSeparator(r):
		default:
			return NHSNumber{}, nhsError(NHSCharacter, "character %d is %q, not a digit", place, r)
		}
	}
	if len(digits) == 0 {
		return NHSNumber{}, nhsError(NHSEmpty, "there are no digits")
	}
	if len(digits) != nhsDigits {
		return NHSNumber{}, nhsError(NHSLength, "it has %d digits, not %d", len(digits), nhsDigits)
	}
	if strings.Count(string(digits), string(digits[:1])) == nhsDigits {
		return NHSNumber{}, nhsError(NHSRepeated, "one digit ten times is a placeholder, not a number")
	}
	if want, ok := checkDigit(digits); !ok || digits[nhsDigits-1] != want {
		return NHSNumber{}, nhsError(NHSCheckDigit, "%s fails its check digit: a digit is wrong or two are swapped", maskNHS(string(digits)))
	}
	return NHSNumber{digits: string(digits)}, nil
}

// checkDigit returns the tenth digit that belongs to the first nine, modulus 11 with weights 10 to 2. Nine digits whose
// check digit would be 10 belong to no number.
func checkDigit(digits []byte) (byte, bool) {
	sum := 0
	for i := range nhsDigits - 1 {
		sum += int(digits[i]-'0') * (nhsDigits - i)
	}
	switch check := 11 - sum%11; check {
	case 11:
		return '0', true
	case 10:
		return 0, false
	default:
		return '0' + byte(check), true
	}
}

// isNHSSeparator reports whether r is a space or hyphen as typed, or as word processors and spreadsheets make them.
func isNHSSeparator(r rune) bool {
	switch r {
	case ' ', '\t', '-', 0x00A0, 0x2007, 0x2009, 0x202F, 0x2010, 0x2011, 0x2012, 0x2013:
		return true
	default:
		return false
	}
}

// String returns the number in groups of three, three and four digits, as it is read aloud. It names a patient: it is
// for the screen of somebody who may know, never for a log.
func (n NHSNumber) String() string {
	if n.IsZero() {
		return ""
	}
	return n.digits[:3] + " " + n.digits[3:6] + " " + n.digits[6:]
}

// Digits returns the ten digits without separators, as standards exchange them; empty for the zero value.
func (n NHSNumber) Digits() string { return n.digits }

// Masked returns the number with all but its last three digits hidden.
func (n NHSNumber) Masked() string { return maskNHS(n.digits) }

// GoString hides the number from %#v, which is for programmers.
func (n NHSNumber) GoString() string { return "record.NHSNumber(" + n.Masked() + ")" }

// LogValue hides the number.
func (n NHSNumber) LogValue() slog.Value { return slog.StringValue("nhs-number") }

// IsZero reports whether n is no number.
func (n NHSNumber) IsZero() bool { return n.digits == "" }

// A Range is the block of numbers that an NHS number lies in. It is a hint, not a proof of validity: blocks have been
// opened over the years, and generators of test data ignore them. Zero is invalid. Do not reorder.
type Range uint8

// The ranges, by the first nine digits.
const (
	RangeIssued          Range = iota + 1 // 400000000 to 499999999 and 600000000 to 799999999: England, Wales, Isle of Man
	RangeTest                             // 999000000 to 999999999: never issued
	RangeScotland                         // 010100000 to 311299999: a Community Health Index number, which starts with a birth date
	RangeNorthernIreland                  // 320000001 to 399999999: Health and Care Number
	RangeUnassigned                       // none of these
)

// String returns the range in words.
func (r Range) String() string {
	switch r {
	case RangeIssued:
		return "issued"
	case RangeTest:
		return "test"
	case RangeScotland:
		return "Scotland (CHI)"
	case RangeNorthernIreland:
		return "Northern Ireland"
	case RangeUnassigned:
		return "unassigned"
	default:
		return "invalid"
	}
}

// Range returns the range that n lies in; zero for the zero value.
func (n NHSNumber) Range() Range {
	if n.IsZero() {
		return 0
	}
	switch nine := n.digits[:nhsDigits-1]; {
	case nine >= "400000000" && nine <= "499999999", nine >= "600000000" && nine <= "799999999":
		return RangeIssued
	case nine >= "999000000":
		return RangeTest
	case nine >= "010100000" && nine <= "311299999":
		return RangeScotland
	case nine >= "320000001" && nine <= "399999999":
		return RangeNorthernIreland
	default:
		return RangeUnassigned
	}
}

// A Mode says whether a region holds real patients. Zero is invalid.
type Mode uint8

// The modes.
const (
	Live Mode = iota + 1 // real patients: numbers of the test range are refused
	Test                 // invented patients: every valid number is taken
)

// Check judges the range of n. In a live region a test number is an *NHSNumberError, and a number from outside the
// issued ranges gets a warning for people to look at; it is taken all the same, because ranges are a convention.
func (m Mode) Check(n NHSNumber) (warning string, err error) {
	switch m {
	case Test:
		return "", nil
	case Live:
	default:
		return "", errors.New("mode is neither live nor test")
	}
	switch r := n.Range(); r {
	case RangeIssued:
		return "", nil
	case RangeTest:
		return "", nhsError(NHSTest, "%s is of the range kept for tests and belongs to no patient", n.Masked())
	case RangeScotland, RangeNorthernIreland, RangeUnassigned:
		return fmt.Sprintf("NHS number %s is outside the ranges issued in England and Wales: %s", n.Masked(), r), nil
	default:
		return "", nhsError(NHSEmpty, "there are no digits")
	}
}

func nhsError(fault NHSFault, format string, args ...any) error {
	return &NHSNumberError{Fault: fault, Detail: fmt.Sprintf(format, args...)}
}

func maskNHS(digits string) string {
	if len(digits) < nhsDigits {
		return ""
	}
	return "*** *** *" + digits[nhsDigits-3:]
}
