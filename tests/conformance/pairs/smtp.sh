# curl and aiosmtpd: mails are sent and arrive.
. "$(dirname "$0")/lib.sh"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext "subjectAltName=DNS:localhost" -keyout key -out cert 2>/dev/null
serve 2525 /usr/bin/python3 -m aiosmtpd -n -l $here:2525 -c aiosmtpd.handlers.Mailbox "$PWD/plain"
serve 2526 /usr/bin/python3 -m aiosmtpd -n -l $here:2526 --tlscert cert --tlskey key -c aiosmtpd.handlers.Mailbox "$PWD/tls"
serve 2527 /usr/bin/python3 -m aiosmtpd -n -l $here:2527 --smtpscert cert --smtpskey key -c aiosmtpd.handlers.Mailbox "$PWD/smtps"
mail() { # NAME LINES
	printf 'From: <a@example.net>\r\nTo: <b@example.net>\r\nSubject: %s\r\n\r\n' "$1"
	random raw $(($2 * 57))
	base64 -w 76 raw | sed 's/$/\r/'
}
send() { # BOX LINES URL [OPTION...]
	local box=$1 lines=$2 found
	shift 2
	rm -f "$box"/new/*
	mail "of $lines lines" "$lines" >mail
	$CLIENT curl -sS "$@" --mail-from a@example.net --mail-rcpt b@example.net --mail-rcpt c@example.net -T mail
	found=$(ls "$box"/new)
	[ "$(wc -w <<<"$found")" = 1 ] && has 'X-RcptTo: b@example.net, c@example.net' "$box/new/$found"
	cmp <(base64 -w 76 raw) <(sed '1,/^$/d' "$box/new/$found")
}
many() { # at once
	local pids=()
	rm -f plain/new/*
	mail small 3 >mail
	for _ in {1..20}; do
		$CLIENT curl -sS smtp://$here:2525 --mail-from a@example.net --mail-rcpt b@example.net -T mail &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	[ "$(ls plain/new | wc -l)" = 20 ]
}
refused() { # a command that the server does not do
	fails $CLIENT curl -sS smtp://$here:2525 -X 'TURN' 2>said
	has 'Command failed' said
}
for kind in "plain smtp://$here:2525" 'tls smtp://localhost:2526 --ssl-reqd --cacert cert' 'smtps smtps://localhost:2527 --cacert cert'; do
	read -r name options <<<"$kind"
	check "$name short" send "$name" 1 $options
	check "$name long" send "$name" 50000 $options
done
check 'many at once' many
check refused refused
