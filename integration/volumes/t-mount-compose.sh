#!/bin/bash
# A compose file with volumes of Docker's local driver, each with type, o and device,
# changes the driver's name and nothing else, and the containers see the same.
. "${0%/*}/../lib/lib.sh"
need compose docker curl jq

start_daemon berth-named
start_dockerd
mkdir -p "$DIR/app" "$DIR/srv/www"
echo page >"$DIR/srv/www/index.html"
cat >"$DIR/app/local.yml" <<END
version: "2.4"
services:
  web:
    image: bb:1
    command: sleep 999
    stop_signal: SIGKILL
    network_mode: none
    volumes: ["www:/www:ro", "data:/data", "cache:/cache"]
volumes:
  www:
    driver: local
    driver_opts:
      type: none
      o: bind
      device: $DIR/srv/www
  data:
    driver: local
    driver_opts: {type: none, device: $DIR/srv, o: "rw,rbind"}
  cache:
    driver: local
    driver_opts:
      type: tmpfs
      device: tmpfs
      o: "size=2m,uid=1000,mode=0700"
END
sed 's/driver: local/driver: berth-named/' "$DIR/app/local.yml" >"$DIR/app/ours.yml"
same "$(diff "$DIR/app/local.yml" "$DIR/app/ours.yml" | grep -c '^<')" 3 "lines that differ"
compose() { # FILE ARG...
	local f=$1
	shift
	(cd "$DIR/app" && docker-compose --no-ansi -f "$f.yml" -p app "$@" 2>&1)
}
seen() {
	docker exec app_web_1 sh -c 'cat /www/index.html /data/www/index.html
		stat -c "%u %a" /cache; df -k /cache | tail -1
		touch /www/x || echo read-only
		echo more >>/data/file; cat /data/file' 2>/dev/null | sed 's,^[^ ]* *2048,X 2048,'
	rm -f "$DIR/srv/file"
}
for who in local ours; do
	compose $who up -d
	seen >"$DIR/$who"
	compose $who restart
	compose $who down -v
done
contains "$(cat "$DIR/local")" '1000 700'
same "$(cat "$DIR/ours")" "$(cat "$DIR/local")" "what the container sees"
same "$(docker volume ls -q)" ''
same "$(ls /var/lib/berth/berth-named/volumes)" ''
same "$(cat "$DIR/srv/www/index.html")" page
