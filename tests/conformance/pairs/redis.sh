# Redis: its own benchmark, round trips, subscribers and a replica, which is a server and a client.
. "$(dirname "$0")/lib.sh"
mkdir a b
serve 6379 redis-server --port 6379 --dir "$PWD/a" --bind $here --save '' --repl-diskless-sync-delay 0
serve 6380 redis-server --port 6380 --dir "$PWD/b" --bind $here --save '' --replicaof $here 6379
cli() { $CLIENT redis-cli -h $here "$@"; }

bench() { # TEST NAME [OPTION...]
	local test=$1
	shift
	$CLIENT redis-benchmark -h $here -q --csv -t "$test" -n 5000 -c 30 "$@" >told
	fails grep -i error told
	[ "$(grep -cE '^"[^"]+","[1-9][0-9.]*",' told)" -ge 1 ]
}
value() { # a large one there and back
	random it 30000000
	[ "$(cli -x set large <it)" = OK ]
	cli --raw get large | head -c -1 >got
	cmp it got
}
mass() { # many commands in one stream
	for i in {1..20000}; do printf '*3\r\n$3\r\nSET\r\n$%d\r\nkey:%d\r\n$%d\r\n%d\r\n' $((${#i} + 4)) "$i" ${#i} "$i"; done >commands
	cli --pipe <commands >told
	has 'errors: 0, replies: 20000' told
	[ "$(cli get key:12345)" = 12345 ]
}
subscribers() {
	local pids=()
	for i in 1 2 3; do
		cli subscribe news >"heard.$i" &
		pids+=($!)
	done
	for _ in {1..100}; do
		[ "$(cli pubsub numsub news | tail -n 1)" != 3 ] || break
		sleep 0.1
	done
	for i in {1..50}; do echo "publish news item-$i"; done | cli >told
	[ "$(grep -cx 3 told)" = 50 ]
	for i in 1 2 3; do
		for _ in {1..100}; do
			grep -q item-50 "heard.$i" && break
			sleep 0.1
		done
		[ "$(grep -c item- "heard.$i")" = 50 ]
	done
	kill "${pids[@]}"
}
blocked() { # a client that waits, and another that it waits for
	cli blpop queue 30 >popped &
	for _ in {1..100}; do
		cli info clients >told
		! grep -q blocked_clients:1 told || break
		sleep 0.1
	done
	cli rpush queue element
	wait $!
	has element popped
}
replica() { # has everything, and what is written then
	cli set replicated yes
	for _ in {1..200}; do
		[ "$(cli -p 6380 get replicated)" != yes ] || break
		sleep 0.1
	done
	[ "$(cli wait 1 20000)" = 1 ]
	[ "$(cli dbsize)" = "$(cli -p 6380 dbsize)" ]
	[ "$(cli debug digest 2>&1)" = "$(cli -p 6380 debug digest 2>&1)" ]
}
snapshot() { cli --rdb dump && [ "$(head -c 5 dump)" = REDIS ]; }
for test in ping set get incr lpush rpush lpop rpop sadd hset spop zadd zpopmin lrange_100 mset; do
	check "benchmark $test" bench $test
done
check 'benchmark in pipelines' bench set -P 16
check 'benchmark of large values' bench set -d 50000 -n 500
check 'benchmark, a connection for each' bench get -k 0 -n 300
check value value
check mass mass
check subscribers subscribers
check blocked blocked
check replica replica
check snapshot snapshot
