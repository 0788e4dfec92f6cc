package media

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ParsePages reads a page selection such as "1-3,7" or "5-" (to the end) for a document of count pages and returns the pages,
// ascending, each once. A count of 0 means unknown: then pages go up to 65,536, and a selection with a range to the end that is
// right otherwise fails with ErrOpenRange, to be parsed again once the count is known.
// Every error is an ErrPages that says which part is wrong.
func ParsePages(s string, count int) ([]int, error) {
	last := count
	if count <= 0 {
		count, last = 0, maxTIFFPages
	}
	var pages []int
	open := false
	for part := range strings.SplitSeq(s, ",") {
		from, to, err := parseRange(strings.TrimSpace(part), count)
		if errors.Is(err, ErrOpenRange) {
			open, to = true, from
		} else if err != nil {
			return nil, err
		}
		for _, p := range [...]int{from, to} {
			if p < 1 || p > last {
				return nil, outOfRange(p, count)
			}
		}
		if from > to {
			return nil, fmt.Errorf("%w: %q runs backwards", ErrPages, part)
		}
		if len(pages)+to-from >= 2*maxTIFFPages {
			return nil, fmt.Errorf("%w: too many pages", ErrPages)
		}
		for p := from; p <= to; p++ {
			pages = append(pages, p)
		}
	}
	if open {
		return nil, fmt.Errorf("%w: %w: %q", ErrPages, ErrOpenRange, s)
	}
	slices.Sort(pages)
	return slices.Compact(pages), nil
}

func parseRange(part string, count int) (from, to int, err error) {
	low, high, isRange := strings.Cut(part, "-")
	if from, err = parsePage(part, low); err != nil {
		return 0, 0, err
	}
	switch {
	case !isRange:
		return from, from, nil
	case strings.TrimSpace(high) == "" && count > 0:
		return from, max(from, count), nil
	case strings.TrimSpace(high) == "":
		return from, from, ErrOpenRange
	default:
		to, err = parsePage(part, high)
		return from, to, err
	}
}

func parsePage(part, digits string) (int, error) {
	digits = strings.TrimSpace(digits)
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is not a page or a range; write pages like 1-3,7", ErrPages, part)
	}
	return int(n), nil
}

func outOfRange(p, count int) error {
	if count > 0 {
		return fmt.Errorf("%w: there is no page %d, the document has pages 1 to %d", ErrPages, p, count)
	}
	return fmt.Errorf("%w: there is no page %d", ErrPages, p)
}
