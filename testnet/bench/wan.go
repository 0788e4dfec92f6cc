package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wan is a path between two network namespaces, in user space, with delay, random loss, a rate and a buffer that drops what
// comes when it is full: for kernels without netem, and the same for every transport. It needs root.
//
//	namespace A: bencha 198.18.0.1 ── TUN ── lost? ── queue at the rate ── delay ── TUN ── benchb 198.18.0.2 :namespace B
type wan struct {
	spaces [2]string
	loss   atomic.Uint64 // of a million packets
	delay  time.Duration // one way
	rate   float64       // bytes a second
	buffer time.Duration // of the rate
	files  []*os.File
	pumps  sync.WaitGroup
}

const (
	wanA, wanB = "198.18.0.1", "198.18.0.2" // RFC 2544 §C.2.2: for benchmarks
	wanQueue   = 1 << 16                    // packets
)

// newWAN makes the namespaces and connects them. It fails with errSkipped where that cannot be done.
func newWAN(ctx context.Context) (*wan, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("two network namespaces need root: %w", errSkipped)
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		return nil, fmt.Errorf("no TUN devices here (%w): %w", err, errSkipped)
	}
	w := &wan{delay: 10 * time.Millisecond, rate: 400e6 / 8, buffer: 40 * time.Millisecond}
	addr := [2]string{wanA, wanB}
	for i, name := range []string{"bencha", "benchb"} {
		f, err := tun(name)
		if err != nil {
			return nil, errors.Join(err, w.close())
		}
		w.files = append(w.files, f)
		space := fmt.Sprintf("ridgeway-%s-%d", name, os.Getpid())
		if err := command(ctx, "ip", "netns", "add", space); err != nil {
			return nil, errors.Join(fmt.Errorf("%w: %w", err, errSkipped), w.close())
		}
		w.spaces[i] = space
		for _, args := range [][]string{
			{"link", "set", name, "netns", space},
			{"netns", "exec", space, "ip", "addr", "add", addr[i], "peer", addr[1-i], "dev", name},
			{"netns", "exec", space, "ip", "link", "set", name, "mtu", "1500", "txqueuelen", "20000", "up"},
			{"netns", "exec", space, "ip", "link", "set", "lo", "up"},
		} {
			if err := command(ctx, "ip", args...); err != nil {
				return nil, errors.Join(err, w.close())
			}
		}
	}
	w.pumps.Go(func() { w.pump(w.files[0], w.files[1]) })
	w.pumps.Go(func() { w.pump(w.files[1], w.files[0]) })
	return w, nil
}

func command(ctx context.Context, name string, args ...string) error {
	_, err := capture(ctx, nil, exec.CommandContext(ctx, name, args...))
	return err
}

// tun opens a TUN device that the poller can wait for.
func tun(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a TUN device: %w", err)
	}
	var request [unix.IFNAMSIZ + 24]byte // struct ifreq
	copy(request[:], name)
	*(*uint16)(unsafe.Pointer(&request[unix.IFNAMSIZ])) = unix.IFF_TUN | unix.IFF_NO_PI
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TUNSETIFF, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return nil, errors.Join(fmt.Errorf("make %s: %w", name, errno), unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}

// setLoss sets the share of packets that are lost in each direction.
func (w *wan) setLoss(share float64) { w.loss.Store(uint64(share * 1e6)) }

type packet struct {
	b  []byte
	at time.Time
}

// pump carries one direction until the devices are closed.
func (w *wan) pump(in, out *os.File) {
	queue, pool := make(chan packet, wanQueue), make(chan []byte, wanQueue)
	var sender sync.WaitGroup
	sender.Go(func() {
		timer := time.NewTimer(0)
		defer timer.Stop()
		for p := range queue {
			if d := time.Until(p.at); d > 0 {
				timer.Reset(d)
				<-timer.C
			}
			_, _ = out.Write(p.b) // what cannot be sent is lost, as on any path
			recycle(pool, p.b)
		}
	})
	defer sender.Wait()
	defer close(queue)
	random := rand.New(rand.NewPCG(1, uint64(in.Fd())))
	var free time.Time
	for {
		b := fresh(pool)
		n, err := in.Read(b)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil { // the device is down, or moving to its namespace
			recycle(pool, b)
			pause(context.Background(), time.Millisecond)
			continue
		}
		now := time.Now()
		if free.Before(now) {
			free = now
		}
		if random.Uint64N(1e6) < w.loss.Load() || free.Sub(now) > w.buffer {
			recycle(pool, b)
			continue
		}
		free = free.Add(time.Duration(float64(n) / w.rate * float64(time.Second)))
		select {
		case queue <- packet{b[:n], free.Add(w.delay)}:
		default:
			recycle(pool, b)
		}
	}
}

func fresh(pool chan []byte) []byte {
	select {
	case b := <-pool:
		return b
	default:
		return make([]byte, 1600)
	}
}

func recycle(pool chan []byte, b []byte) {
	select {
	case pool <- b[:cap(b)]:
	default:
	}
}

func (w *wan) close() error {
	var errs []error
	for _, f := range w.files {
		errs = append(errs, f.Close())
	}
	w.pumps.Wait()
	for _, space := range w.spaces {
		if space != "" {
			errs = append(errs, command(context.Background(), "ip", "netns", "delete", space))
		}
	}
	return errors.Join(errs...)
}

// child starts a mode of runChild in one of the namespaces.
func (w *wan) child(side int, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startChildIn(exec.Command("ip", append([]string{"netns", "exec", w.spaces[side], self, childArg}, args...)...))
}
