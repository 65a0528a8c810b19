package rendezvous

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// patience is how long one end is kept waiting for the other.
const patience = 30 * time.Second

// idle is how long a connection may say nothing.
const idle = 15 * time.Second

// Server answers clients.
type Server struct {
	cfg   ServerConfig
	quota quota
	relay relay
	stats Stats
	work  sync.WaitGroup
	end   context.Context
	close context.CancelFunc

	mu    sync.Mutex
	conns map[net.Conn]netip.Prefix
	hosts map[netip.Prefix]int
}

// NewServer returns a Server. Close it to free what it holds.
func NewServer(cfg ServerConfig) *Server {
	for _, d := range []struct {
		value    *int
		standard int
	}{{&cfg.Conns, 4096}, {&cfg.PerHost, 64}, {&cfg.Names, 5000}, {&cfg.Requests, 200}, {&cfg.Pairs, 512}, {&cfg.Rate, 4 << 20}} {
		if *d.value == 0 {
			*d.value = d.standard
		}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, conns: map[net.Conn]netip.Prefix{}, hosts: map[netip.Prefix]int{}}
	s.quota.most = cfg.Names
	s.relay = relay{most: cfg.Pairs, rate: cfg.Rate, stats: &s.stats, waiting: map[pair]*guest{}}
	s.end, s.close = context.WithCancel(context.Background())
	return s
}

// Stats returns the counters, which go on counting.
func (s *Server) Stats() *Stats { return &s.stats }

// Now returns how many connections there are, and how many pairs are connected.
func (s *Server) Now() (conns, pairs int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), s.relay.count()
}

// Serve takes connections until the listener or the Server is closed; then it returns nil.
func (s *Server) Serve(l net.Listener) error {
	defer context.AfterFunc(s.end, func() { l.Close() })()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) || err != nil && s.end.Err() != nil {
			return nil
		}
		if err != nil { // too many descriptors, for instance
			s.cfg.Logger.Warn("accept", "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		}
		host := Host(conn)
		if !s.admit(conn, host) {
			s.stats.Turned.Add(1)
			conn.Close()
			continue
		}
		s.stats.Conns.Add(1)
		s.work.Go(func() {
			defer s.dismiss(conn)
			s.serve(conn, host)
		})
	}
}

// Close ends all connections and waits until they have.
func (s *Server) Close() {
	s.mu.Lock()
	s.close()
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.work.Wait()
}

// admit keeps the number of connections within bounds, in all and from one host.
func (s *Server) admit(conn net.Conn, host netip.Prefix) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end.Err() != nil || len(s.conns) >= s.cfg.Conns || s.hosts[host] >= s.cfg.PerHost {
		return false
	}
	s.conns[conn] = host
	s.hosts[host]++
	return true
}

// Host returns whom a connection is counted for where what one host may do is bounded: its address, for IPv6 the network of 64
// bits, of which a host may have all addresses. Connections without an address are all of one host.
func Host(conn net.Conn) netip.Prefix {
	a, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return netip.Prefix{}
	}
	ip := a.Addr().Unmap()
	bits := ip.BitLen()
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits)
	return p
}

func (s *Server) dismiss(conn net.Conn) {
	conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	host := s.conns[conn]
	delete(s.conns, conn)
	if s.hosts[host]--; s.hosts[host] == 0 {
		delete(s.hosts, host)
	}
}

// serve answers one request after the other. What cannot be read ends the connection; so does a client that does not read.
func (s *Server) serve(conn net.Conn, host netip.Prefix) {
	var n nonce
	_, _ = rand.Read(n[:]) // never fails
	_ = conn.SetDeadline(time.Now().Add(idle))
	if _, err := conn.Write(appendGreeting(nil, n)); err != nil {
		return
	}
	in, out := bufio.NewReader(conn), bufio.NewWriter(conn)
	var buf [maxBody]byte
	pace := newPace(s.cfg.Requests)
	for {
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(idle))
		k, body, err := readMessage(in, &buf)
		if err != nil {
			return
		}
		pace.wait(s.end, 1)
		switch k {
		case kindLeave:
			err = s.answer(out, kindLeft, []byte{byte(s.leave(body, n, host))})
		case kindSeek:
			err = s.answer(out, kindFound, s.seek(body))
		case kindJoin:
			if in.Buffered() == 0 && out.Flush() == nil {
				s.join(conn, body, n)
			}
			return
		default:
			return
		}
		if err != nil {
			return
		}
	}
}

func (s *Server) answer(out *bufio.Writer, k kind, body []byte) error {
	_, err := out.Write(appendMessage(nil, k, body))
	return err
}

func (s *Server) leave(body []byte, n nonce, host netip.Prefix) status {
	r, err := decodeLeave(body, n)
	if err != nil {
		s.stats.Refused.Add(1)
		return statusRefused
	}
	if !s.quota.allow(host, r.Name(), time.Now()) {
		s.stats.Refused.Add(1)
		return statusFull
	}
	err = s.cfg.Store.Put(s.end, r.Name(), r.Sequence, r.encode(), time.Now().Add(r.Lifetime))
	switch {
	case errors.Is(err, ErrOld):
		s.stats.Refused.Add(1)
		return statusOld
	case err != nil:
		s.cfg.Logger.Warn("word not kept", "name", r.Name(), "error", err)
		s.stats.Refused.Add(1)
		return statusFull
	}
	s.stats.Left.Add(1)
	return statusDone
}

// seek returns the body of the answer.
func (s *Server) seek(body []byte) []byte {
	var name Name
	if copy(name[:], body) != len(body) || len(body) != len(name) {
		s.stats.Refused.Add(1)
		return nil
	}
	value, until, err := s.cfg.Store.Get(s.end, name)
	if err != nil {
		s.cfg.Logger.Warn("word not read", "name", name, "error", err)
	}
	left := time.Until(until) / time.Second
	if err != nil || value == nil || left <= 0 {
		return nil
	}
	s.stats.Found.Add(1)
	return append(binary.BigEndian.AppendUint32(nil, uint32(left)), value...)
}

// join connects the client with the other end of its rock.
func (s *Server) join(conn net.Conn, body []byte, n nonce) {
	own, other, err := decodeJoin(body, n)
	if err != nil || own == other {
		s.stats.Refused.Add(1)
		_, _ = conn.Write(appendMessage(nil, kindJoined, []byte{byte(statusRefused)}))
		return
	}
	s.relay.join(s.end, conn, pair{own, other})
}
