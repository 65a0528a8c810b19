package detect

import "testing"

func TestMarks(t *testing.T) {
	if ProbeMSS != 777 || SafeMSS != 1203 {
		t.Errorf("ProbeMSS, SafeMSS = %d, %d: they travel, want 777, 1203", ProbeMSS, SafeMSS)
	}
	if !IsWeak(SafeMSS) {
		t.Error("SafeMSS is not a weak mark")
	}
	if IsWeak(ProbeMSS) {
		t.Error("ProbeMSS is a weak mark too")
	}
}

// TestIsWeakCommon checks the normal MSS of MTUs that are in use: none of them may
// look marked.
func TestIsWeakCommon(t *testing.T) {
	mtus := map[string]int{
		"Ethernet": 1500, "PPPoE": 1492, "jumbo": 9000, "loopback": 65536, "loopback, old": 16436,
		"IPv6 minimum": 1280, "IPv4 minimum": 576, "6in4": 1480, "GRE": 1476, "WireGuard": 1420, "WireGuard over PPPoE": 1412,
		"VXLAN": 1450, "Docker on GCP": 1460, "AWS jumbo": 9001, "DS-Lite": 1452, "L2TP": 1460, "OpenVPN": 1500, "FDDI": 4352,
	}
	for name, mtu := range mtus {
		for _, headers := range []int{40, 60} {
			if mss := mtu - headers; IsWeak(mss) {
				t.Errorf("%s: MTU %d gives MSS %d, which looks marked", name, mtu, mss)
			}
		}
	}
	for _, clamp := range []int{1460, 1452, 1440, 1420, 1412, 1400, 1380, 1360, 1350, 1300, 1220, 536} {
		if IsWeak(clamp) {
			t.Errorf("MSS %d is a usual clamp and looks marked", clamp)
		}
	}
}

func TestIsWeak(t *testing.T) {
	tests := []struct {
		mss  int
		want bool
	}{
		{0, false}, {-13, false}, {19, false}, {83, false}, {115, true}, {116, false},
		{1203, true}, {1459, true}, {1460, false}, {32755, true}, {32767, false}, {32787, false}, {65523, false},
	}
	for _, tt := range tests {
		if got := IsWeak(tt.mss); got != tt.want {
			t.Errorf("IsWeak(%d) = %v, want %v", tt.mss, got, tt.want)
		}
	}
}

func TestWeakMSS(t *testing.T) {
	tests := []struct{ normal, want int }{
		{1460, 1459}, {1459, 1459}, {1458, 1427}, {1440, 1427}, {1400, 1395}, {1360, 1331}, {1220, 1203},
		{8960, 8947}, {32767, 32755}, {65496, 32755}, {536, 531}, {115, 115}, {114, 0}, {88, 0}, {5, 0}, {0, 0}, {-1000, 0},
	}
	for _, tt := range tests {
		if got := WeakMSS(tt.normal); got != tt.want {
			t.Errorf("WeakMSS(%d) = %d, want %d", tt.normal, got, tt.want)
		}
	}
	for normal := 115; normal < 70000; normal++ {
		got, top := WeakMSS(normal), min(normal, MaxMSS)
		if !IsWeak(got) || got > top || top-got > 31 {
			t.Fatalf("WeakMSS(%d) = %d, want a marked value at most 31 below %d", normal, got, top)
		}
	}
}
