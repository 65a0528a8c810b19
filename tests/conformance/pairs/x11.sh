# X11 over TCP: x11perf and other clients of Xvfb.
. "$(dirname "$0")/lib.sh"
serve 6007 Xvfb :7 -screen 0 800x600x24 -ac -noreset -listen tcp -nolisten unix -nolisten local -nolock
export DISPLAY=$here:7

perf() { # N TEST...: tests of x11perf, of which each says how often it was done
	local n=$1
	shift
	$CLIENT x11perf -repeat 1 -time 1 "$@" >told
	[ "$(grep -cE '^ *[0-9]+ reps @ ' told)" = "$n" ]
}
picture() { # is the same, however it comes
	$CLIENT xwd -root >shot
	$CLIENT xwd -root >again
	cmp shot again
	[ "$(wc -c <shot)" -gt 1900000 ]
}
cut() { # a client that is killed leaves its window behind, and the server takes it away
	local before
	before=$($CLIENT xwininfo -root -children | wc -l)
	$CLIENT xclock & local pid=$!
	for _ in {1..200}; do
		[ "$($CLIENT xwininfo -root -children | wc -l)" = "$before" ] || break
		sleep 0.1
	done
	[ "$($CLIENT xwininfo -root -children | wc -l)" != "$before" ]
	pkill -KILL -x xclock
	wait $pid || true
	for _ in {1..200}; do
		[ "$($CLIENT xwininfo -root -children | wc -l)" != "$before" ] || return 0
		sleep 0.1
	done
	return 1
}
no_display() { fails env DISPLAY=$here:9 $CLIENT xdpyinfo 2>said; has 'unable to open display' said; }
info() { $CLIENT xdpyinfo >told && has 'dimensions:    800x600 pixels' told; }
many() { # clients at once
	local pids=()
	for i in {1..15}; do
		$CLIENT xdpyinfo >"told.$i" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	for i in {1..15}; do has 800x600 "told.$i"; done
}
check info info
check drawing perf 7 -dot -rect100 -circle100 -ftext -scroll100 -putimage500 -getimage500
check 'round trips and windows' perf 6 -subs 16 -noop -prop -pointer -create -map -destroy
check picture picture
check killed cut
check 'no display' no_display
check 'many at once' many
