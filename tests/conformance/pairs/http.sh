# curl and nginx: HTTP/1.1, TLS, HTTP/2; and through nghttpx, a proxy, which is a server and a client.
. "$(dirname "$0")/lib.sh"
mkdir www www/put tmp
random www/large 20000000
for i in {1..40}; do random "www/$i" $((i * 1000)); done
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$here -addext "subjectAltName=IP:$here" -keyout key -out cert 2>/dev/null
cat >nginx.conf <<END
daemon off; user root; worker_processes 2; pid $PWD/pid; error_log stderr;
events { worker_connections 512; }
http {
	access_log off; sendfile on; client_max_body_size 100m; keepalive_timeout 5;
	client_body_temp_path $PWD/tmp/body; proxy_temp_path $PWD/tmp/proxy; fastcgi_temp_path $PWD/tmp/fastcgi;
	uwsgi_temp_path $PWD/tmp/uwsgi; scgi_temp_path $PWD/tmp/scgi;
	server {
		listen 8080; listen [::1]:8080; listen 8443 ssl http2; listen 8081 http2;
		ssl_certificate $PWD/cert; ssl_certificate_key $PWD/key;
		root $PWD/www;
		location /put/ { dav_methods PUT DELETE; }
		location /teapot { return 418; }
		location /slow { limit_rate 400k; alias $PWD/www/; }
		location /through/ { proxy_pass http://$here:8080/; }
	}
}
END
serve 8080 /usr/sbin/nginx -p "$PWD" -c "$PWD/nginx.conf"
serve 8444 nghttpx --frontend="$here,8444" --backend="$here,8080" --workers=2 --errorlog-file=/dev/stderr key cert
curl() { $CLIENT curl -sS --fail --cacert cert "$@"; }

get() { # URL [OPTION...]
	local url=$1
	shift
	curl "$@" -o got "$url/large"
	cmp got www/large
}
many() { # URL [OPTION...]: all small files over few connections
	local url=$1
	shift
	rm -rf all && mkdir all
	curl "$@" -o 'all/#1' "$url/[1-40]"
	for i in {1..40}; do cmp "all/$i" "www/$i"; done
}
put() { # URL [OPTION...]
	local url=$1
	shift
	curl "$@" -T www/large "$url/put/it"
	cmp www/put/it www/large
	curl "$@" -X DELETE "$url/put/it"
	[ ! -e www/put/it ]
}
range() {
	curl -r 1000000-1999999 -o part "$1/large"
	cmp part <(tail -c +1000001 www/large | head -c 1000000)
}
resume() {
	head -c 7000000 www/large >got
	curl -C - -o got "$1/large"
	cmp got www/large
}
head_only() { curl -I "$1/large" >headers && has 'content-length: 20000000' <(tr A-Z a-z <headers); }
status() { [ "$($CLIENT curl -s --cacert cert -o /dev/null -w '%{http_code}' "$1")" = "$2" ]; }
slowly() { curl -o got "$1/slow/40" && cmp got www/40; }
cut_short() { # the client gives up in the middle, and the server goes on
	fails curl --max-time 1 --limit-rate 1M -o /dev/null "$1/large"
	range "$1"
}
nobody() { # at this port: it is told so as ever
	local status=0
	$CLIENT curl -sS "http://$here:9" || status=$?
	[ $status = 7 ]
}
load() { # URL: all requests are answered
	$CLIENT h2load -n 2000 -c 20 -m 10 "$1/7" >told
	has 'requests: 2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout' told
}

plain=http://$here:8080 tls=https://$here:8443 proxy=https://$here:8444
for kind in "http/1.1 $plain" "http/1.1-ipv6 http://[::1]:8080" "tls/1.1 $tls --http1.1" "tls/2 $tls --http2" \
	"nginx-nginx $plain/through" "nghttpx-nginx $proxy --http2"; do
	read -r name url option <<<"$kind"
	check "$name get" get "$url" $option
	check "$name many" many "$url" $option
	check "$name many at once" many "$url" $option --parallel
done
for kind in "http/1.1 $plain" "tls/2 $tls --http2" "nghttpx-nginx $proxy --http2"; do
	read -r name url option <<<"$kind"
	check "$name put" put "$url" $option
done
check 'a connection each' many $plain -H 'Connection: close'
check 'a connection each, at once' many $plain -H 'Connection: close' --parallel
check 'h2c get' get http://$here:8081 --http2-prior-knowledge
check 'put, expecting 100-continue' put $plain -H 'Expect: 100-continue'
check range range $plain
check resume resume $plain
check head head_only $plain
check 'status 404' status $plain/none 404
check 'status 418' status $plain/teapot 418
check slowly slowly $plain
check 'cut short' cut_short $plain
check 'cut short, tls/2' cut_short $tls
check 'nobody there' nobody
check 'load tls/2' load $tls
check 'load nghttpx-nginx' load $proxy
