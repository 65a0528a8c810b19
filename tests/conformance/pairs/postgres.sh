# PostgreSQL: pgbench, copies, cancels, notifications, dumps and a standby. The server gives up being root itself.
. "$(dirname "$0")/lib.sh"
bin=$(dirname "$(ls -d /usr/lib/postgresql/*/bin/initdb | tail -n 1)")
mkdir pg
chown postgres pg
as_postgres() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
as_postgres "$bin/initdb" -D pg/data -A trust -N --no-instructions -E UTF8 >initdb.log || give_up initdb.log initdb
echo "host replication all $here/32 trust" >>pg/data/pg_hba.conf
server=(setpriv --reuid postgres --regid postgres --clear-groups "$bin/postgres" -c fsync=off -c shared_buffers=16MB -c listen_addresses=$here -k "$PWD/pg")
serve 5432 "${server[@]}" -D pg/data
export PGHOST=$here PGUSER=postgres PGCONNECT_TIMEOUT=20
sql() { $CLIENT "$bin/psql" -qAtX -v ON_ERROR_STOP=1 "$@"; }
answers() { for _ in {1..300}; do sql "$@" -c 'select 1' && return; sleep 0.1; done; return 1; }
answers >answers.log 2>&1 || give_up answers.log 'no answer'

bench() {
	$CLIENT "$bin/pgbench" -i -q
	$CLIENT "$bin/pgbench" -n -c 8 -j 2 -t 50 "$@" >told
	has 'number of transactions actually processed: 400/400' told
	has 'number of failed transactions: 0 ' told
	[ "$(sql -c 'select (select sum(abalance) from pgbench_accounts) = (select sum(bbalance) from pgbench_branches)')" = t ]
}
copy() { # in and out again
	seq 1 300000 | sed 's/.*/&\tthis is line &/' >in
	sql -c 'drop table if exists lines' -c 'create table lines (n int, t text)'
	sql -c '\copy lines from in'
	sql -c '\copy (select * from lines order by n) to out'
	cmp in out
}
large_object() {
	local id
	random it 5000000
	id=$(sql -c '\lo_import it' -c '\echo :LASTOID' | tail -n 1)
	sql -c "\lo_export $id got"
	cmp it got
}
wide() { # a row that is a long answer
	[ "$(sql -c "select repeat('x', 50000000)" | wc -c)" = 50000001 ]
}
sleeping() { # APPLICATION: until its server sleeps
	for _ in {1..300}; do
		[ "$(sql -c "select count(*) from pg_stat_activity where application_name = '$1' and wait_event = 'PgSleep'")" = 0 ] || return 0
		sleep 0.1
	done
	return 1
}
cancel() { # goes over a connection of its own
	PGAPPNAME=cancelled sql -c 'select pg_sleep(60)' 2>said &
	local pid=$!
	sleeping cancelled
	pkill -INT -x psql # itself: what stands before it may pass the signal on, or not
	fails wait $pid
	has 'canceling statement due to user request' said
}
notify() { # somebody who listens hears it at the end of a query
	for _ in {1..20}; do echo 'select pg_sleep(0.2);'; done | PGAPPNAME=listening sql -c 'listen news' -f - >heard &
	local pid=$!
	sleeping listening
	sql -c "notify news, 'got-it'"
	wait $pid
	has 'with payload "got-it"' heard
}
dump() {
	sql -c 'drop database if exists other' -c 'create database other'
	$CLIENT "$bin/pg_dump" -d postgres -t 'pgbench_*' -f dumped
	sql -d other -f dumped >/dev/null
	[ "$(sql -c 'select sum(aid), sum(abalance) from pgbench_accounts')" = "$(sql -d other -c 'select sum(aid), sum(abalance) from pgbench_accounts')" ]
}
connections() { # one for each query
	$CLIENT "$bin/pgbench" -n -C -S -c 4 -j 2 -t 50 >told
	has 'number of transactions actually processed: 200/200' told
}
refused() { fails sql -d nothing 2>said; has 'does not exist' said; }
standby() { # a base backup, and then what is written goes there too
	as_postgres mkdir -m 700 pg/standby
	$CLIENT setpriv --reuid postgres --regid postgres --clear-groups "$bin/pg_basebackup" -h $here -D pg/standby -R -X stream -c fast
	echo "port = 5433" >>pg/standby/postgresql.auto.conf
	serve 5433 "${server[@]}" -D pg/standby
	answers -p 5433
	sql -c 'create table after (n int)' -c 'insert into after select generate_series(1, 20000)'
	for _ in {1..300}; do
		[ "$(sql -p 5433 -c 'select count(*) from after' 2>/dev/null)" != 20000 ] || return 0
		sleep 0.1
	done
	return 1
}
check pgbench bench
check 'pgbench prepared' bench -M prepared
check 'pgbench select' bench -S
check connections connections
check copy copy
check 'large object' large_object
check 'wide row' wide
check cancel cancel
check notify notify
check 'dump and restore' dump
check 'no such database' refused
check standby standby
