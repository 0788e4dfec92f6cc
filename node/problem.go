package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/ridgeway-exchange/ridgeway/node/admin"
	"github.com/ridgeway-exchange/ridgeway/storage"
)

// restrict closes a data folder to others: it may have been made by hand, and what the stores write in it is open to all.
func restrict(data string) error {
	info, err := os.Stat(data)
	if err != nil {
		return folderProblem(data, err)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(data, 0o700); err != nil {
		return admin.Errorf(admin.CodeDataFolder, "%s is open to other users of this machine, and cannot be closed to them (%v): run chmod 700", data, err)
	}
	return nil
}

// present fails unless data is a data folder.
func present(data string) error {
	if st, err := os.Stat(data); errors.Is(err, os.ErrNotExist) {
		return admin.Errorf(admin.CodeDataFolder, "there is no data folder %s: make one with 'ridgeway init' or 'ridgeway join', or name another with --data", data)
	} else if err == nil && !st.IsDir() {
		return admin.Errorf(admin.CodeDataFolder, "%s is a file and no data folder: name a folder with --data", data)
	}
	if _, err := os.Stat(filepath.Join(data, "FORMAT")); errors.Is(err, os.ErrNotExist) {
		return admin.Errorf(admin.CodeDataFolder, "%s is not a Ridgeway data folder: make one with 'ridgeway init' or 'ridgeway join', or name another with --data", data)
	}
	return nil
}

// WhyNotRunning says more of a data folder to which no node answers: that it is none, or that it has not joined its region, of
// which a join that waits for approval may be the reason. It returns nil where a node only has to be started.
func WhyNotRunning(data string) error {
	if err := present(data); err != nil {
		return err
	}
	if joined, err := storage.HasSecret(data, secretMembership); err != nil || joined {
		return nil //nolint:nilerr // whoever starts it is told what is wrong with it
	}
	if storage.Held(data) {
		return admin.Errorf(admin.CodeUnavailable, "%s is joining its region: 'ridgeway join' runs on it, and may wait until other trusts have approved. "+
			"'ridgeway status' at a trust of the region shows how many have, and how to approve", data)
	}
	return admin.Errorf(admin.CodeDataFolder, "%s has not joined its region yet: run 'ridgeway join' again, with the same folder and invitation. "+
		"If it waited for the approval of other trusts, 'ridgeway status' at one of them shows how many have approved", data)
}

// folderProblem says what a failure to open a data folder means and what to do.
func folderProblem(data string, err error) error {
	switch {
	case errors.Is(err, storage.ErrExists):
		return admin.Errorf(admin.CodeDataFolder, "%s is not empty: name a folder that is empty or not there yet", data)
	case errors.Is(err, storage.ErrInUse):
		return admin.Errorf(admin.CodeInUse, "%v: stop that process first, or name another folder with --data", err)
	case errors.Is(err, storage.ErrWrongKey):
		return admin.Errorf(admin.CodeWrongKey, "%v: give the key it was made with (master_key_file, master_key_command or RIDGEWAY_MASTER_KEY)", err)
	case errors.Is(err, storage.ErrNotFolder):
		return admin.Errorf(admin.CodeDataFolder, "%v: make one with 'ridgeway init' or 'ridgeway join', or name another with --data", err)
	case errors.Is(err, storage.ErrVersion):
		return admin.Errorf(admin.CodeDataFolder, "%v: use the version of ridgeway that made it, or one that says it can upgrade it", err)
	case errors.Is(err, storage.ErrOtherNode):
		return admin.Errorf(admin.CodeDataFolder, "%s: %v, or it is damaged. A folder cannot be put together from two nodes: restore it whole from a backup; nothing was changed", data, err)
	case errors.Is(err, storage.ErrIntegrity), errors.Is(err, storage.ErrDamaged):
		return admin.Errorf(admin.CodeIntegrity, "%s: %v: restore the folder from a backup; nothing was changed", data, err)
	case errors.Is(err, storage.ErrNotFound):
		return admin.Errorf(admin.CodeDataFolder, "%s: %v: the folder is not whole. Restore it from a backup; nothing was changed", data, err)
	case errors.Is(err, storage.ErrDiskFull):
		return admin.Errorf(admin.CodeDiskFull, "%s: %v: free some space, then start again", data, err)
	default:
		if known := diskProblem(data, err); known != nil {
			return known
		}
		return fmt.Errorf("data folder %s: %w", data, err)
	}
}

// diskProblem says what an answer of the operating system means for a data folder and what to do; nil when it is none that
// an operator can mend.
func diskProblem(data string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return admin.Errorf(admin.CodeDataFolder, "%s is on a volume that cannot be written (%v): mount it for writing, or name another folder with --data", data, err)
	case errors.Is(err, fs.ErrPermission):
		return admin.Errorf(admin.CodeDataFolder, "%s: %v. This user (id %d) lacks the right: run it as the user that the folder belongs to, or give all of the folder to this one with chown -R", data, err, os.Geteuid())
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return admin.Errorf(admin.CodeDiskFull, "%s: %v: free some space, then run it again", data, err)
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ENAMETOOLONG), errors.Is(err, syscall.ELOOP):
		return admin.Errorf(admin.CodeDataFolder, "%s cannot be a data folder (%v): name another with --data", data, err)
	default:
		return nil
	}
}

// socketProblem says what a failure to open the UDP socket means.
func socketProblem(listen string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return admin.Errorf(admin.CodeInUse, "UDP %s is in use by another process: stop it, or choose another address with --listen", listen)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return admin.Errorf(admin.CodeConfig, "UDP %s is not an address of this machine: give one that is with --listen, and the one others see with --advertise", listen)
	case errors.Is(err, syscall.EACCES):
		return admin.Errorf(admin.CodeConfig, "UDP %s needs rights that this user lacks: choose a port above 1023 with --listen", listen)
	default:
		return admin.Errorf(admin.CodeConfig, "UDP %s cannot be opened: %v", listen, err)
	}
}

// CheckListen opens a UDP address of this machine and closes it again, so that a node is not made for one that it cannot have.
func CheckListen(ctx context.Context, listen string) error {
	conn, err := new(net.ListenConfig).ListenPacket(ctx, "udp", listen)
	if err != nil {
		var unknown *net.DNSError
		if errors.As(err, &unknown) {
			return admin.Errorf(admin.CodeConfig, "listen: %s: this machine cannot find an address for %q: give one of its own with --listen, such as 0.0.0.0:7400, and what others see with --advertise", listen, unknown.Name)
		}
		return socketProblem(listen, err)
	}
	return conn.Close()
}

// stateProblem says why the node stops when its copy of the region's state has stopped itself.
func (n *Node) stateProblem(cause error) error {
	if errors.Is(cause, syscall.ENOSPC) || errors.Is(cause, syscall.EDQUOT) {
		return admin.Errorf(admin.CodeDiskFull, "the node stops because the volume of %s is full, so that its copy of the region's state cannot be written (%v). What was acknowledged is kept: make room, and start it again", n.options.Data, cause)
	}
	return admin.Errorf(admin.CodeIntegrity, "the node stops because its copy of the region's state cannot go on: %v", cause)
}
