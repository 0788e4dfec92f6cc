package storage

import "errors"

// Sentinel errors of the package. Each is wrapped with what was being done; compare with errors.Is.
var (
	// ErrIntegrity is returned when bytes at rest are not what was written: the authentication tag or a
	// checksum does not match, or something that must be there is not. It never means "no such thing".
	ErrIntegrity = errors.New("stored data failed its integrity check")

	// ErrWrongKey is returned when the master key is not the one that the data folder was made with.
	ErrWrongKey = errors.New("the master key is not the one this data folder was made with")

	// ErrInUse is returned when another process holds the data folder.
	ErrInUse = errors.New("the data folder is in use by another process")

	// ErrVersion is returned when the data folder was written in a format that this program does not know.
	ErrVersion = errors.New("the data folder has a format version that this program does not know")

	// ErrOtherNode is returned when the data folder belongs to another node than the one that opens it.
	ErrOtherNode = errors.New("the data folder belongs to another node")

	// ErrNotFolder is returned when a folder holds no format file, so that it is not a data folder of ours.
	ErrNotFolder = errors.New("not a Ridgeway data folder")

	// ErrExists is returned by CreateFolder when the folder already holds something.
	ErrExists = errors.New("the folder is not empty")

	// ErrDiskFull is returned when a write is refused because too little space is left.
	ErrDiskFull = errors.New("too little free space on the disk")

	// ErrDamaged is returned when the files of a store are not what was acknowledged as written; nothing has
	// been changed on the disk. errors.As with *DamageError tells which files and which keys are touched.
	ErrDamaged = errors.New("the store is damaged")

	// ErrFailed is returned for every write after one that failed: what the failed write left behind is not
	// known, so the store takes no more until it is opened again.
	ErrFailed = errors.New("the store has failed and takes no more writes")

	// ErrClosed is returned for a call on a store that has been closed.
	ErrClosed = errors.New("the store is closed")

	// ErrReadOnly is returned for a write on a store that was opened for reading only.
	ErrReadOnly = errors.New("the store is open for reading only")

	// ErrNotFound is returned when a secret, or another thing asked for by name, is not stored.
	ErrNotFound = errors.New("not found")

	// ErrKeySource is returned when a master key cannot be taken from where the configuration says it is.
	ErrKeySource = errors.New("the master key cannot be loaded")
)
