#!/bin/bash
# Bash's completion offers every verb and every flag that netctl has, and the names of what
# there is; the man page has all of them as well.
#
# time: 600
. "${0%/*}/lib.sh"
need jq python3

. "$IT/../packaging/completion/netctl"
_netctl_patience=60 # whoever presses TAB has less

# offered WORD... - for the last of them, sorted, on a line.
offered() {
	COMP_WORDS=(netctl "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_netctl
	printf '%s\n' "${COMPREPLY[@]}" | sort -u | paste -sd' '
}

netctl help --table >table
[ "$(grep -c '^[a-z]' table)" -ge 50 ] || fail "verbs are missing"
same "$(grep '^[a-z]' table | cut -f1 | sort)" \
	"$(netctl help | sed -n 's/^  \([a-z]\+\( [a-z]\+\)*\) .*/\1/p' |
		while read -r a b c _; do
			for v in "$a $b $c" "$a $b" "$a"; do
				! grep -qP "^$v\t" table || { echo "$v"; break; }
			done
		done | sort)" "the table and the help"

note "each word of each verb"
same "$(offered '')" "$( (grep '^[a-z]' table | cut -d' ' -f1 | cut -f1; echo help) | sort -u | paste -sd' ')"
same "$(offered help '')" "$(offered '' | sed 's/ help / /')"
same "$(offered net)" network
same "$(offered port '')" 'add backend ls rm'
same "$(offered port backend '')" 'add rm'
contains " $(offered volume snapshot '') " ' ls '

note "each flag of each verb"
while IFS=$'\t' read -r verb _; do
	read -ra words <<<"$verb"
	same "$(offered "${words[@]}" -)" "$(awk -F'\t' -v v="$verb" '/^[a-z]/ { on = $1 == v; next }
		on { print $2 }' table | sort | paste -sd' ')" "flags of $verb"
done < <(grep '^[a-z]' table)
same "$(offered top --on)" --once
same "$(offered top -s '')" 'bytes conns name packets'
same "$(offered top --sort c)" conns
same "$(offered top --sort = c)" conns
same "$(offered top --sort =)" 'bytes conns name packets'
same "$(offered network ls --format '')" 'json table'
same "$(offered up -- --)" ''

note "each word that stands for something: what it can be, or that it is anybody's"
free=' ADDRESS ADDRESS:PORT B... BACKEND... BYTES[b|k|m|g] DOMAIN OPTION KEY=VALUE KEY=VALUE,... KEY[=VALUE] COMMAND LINES MAC N NAME
	NAME=ADDRESS NAME=VALUE NAME[=VALUE] [NAME|DIR:]DIR[:ro] NAME|UID[:GROUP|GID] NEW NUMBER PROGRAM
	PORT... PREFIX SECONDS SIZE TIME [ADDRESS] [ARGUMENT...] [COMMAND] [IP:]PORT[/PROTO] [[HOST:]PORT:]PORT[/PROTO]
	| --backend --netns '
free=" $(echo $free) "
while read -r word; do
	rc=0
	cur='' _netctl_words "$word" >/dev/null || rc=$?
	case $free in
	*" $word "*) [ "$rc" = 2 ] || fail "$word is completed, and is on this list" ;;
	*) [ "$rc" != 2 ] || fail "nobody knows what $word is: see _netctl_words, or this list" ;;
	esac
done < <(awk -F'\t' '/^[a-z]/ { n = split($2, w, " "); for (i = 1; i <= n; i++) print w[i]; next }
	$4 { print $4 }' table | sort -u)
same "$(offered up '')" "${DAEMONS[*]}"

note "names of what there is"
start_daemon berth-ipam
start_daemon berth-bridge
start_daemon berth-named
same "$(offered network inspect '')" ''
"$NETCTL" network create --subnet 10.71.0.0/24 shop >/dev/null
"$NETCTL" network create --subnet 10.72.0.0/24 -o berth.dataplane=nft store >/dev/null
"$NETCTL" volume create site >/dev/null
new_ns web
same "$(offered network inspect '')" 'shop store'
same "$(offered network rm --timeout 5s st)" store
same "$(offered attach '')" 'shop store'
same "$(offered attach shop --netns w)" web
same "$(offered run --network s)" 'shop store'
same "$(offered attach --timeout = 5s st)" store
same "$(offered attach -o a = b -p 80 : 80 st)" store
same "$(offered attach -o a = s)" ''
same "$(offered volume inspect '')" site
same "$(offered volume clone s)" site
same "$(offered volume clone site '')" ''
contains " $(offered volume snapshot '') " ' site '
contains " $(offered ipam leases '') " ' 10.71.0.0/24 '
touch file
mkdir tree
contains " $(offered volume restore '') " ' file '
contains " $(offered run '') " ' tree '
"$NETCTL" network rm shop >/dev/null
"$NETCTL" network rm store >/dev/null
"$NETCTL" volume rm site >/dev/null

note "names are no commands: nothing of them is expanded, each is one offer"
mkdir names
cd names || exit
mkdir 'a b' '$(touch${IFS}run)' '`touch${IFS}run`' '{c,d}'
offered volume restore '' >/dev/null
offered run '' >/dev/null
[ ! -e run ] || fail "completing ran a command that a directory is named for"
COMP_WORDS=(netctl run '')
COMP_CWORD=2
_netctl
same "$(printf '%s\n' "${COMPREPLY[@]}" | sort)" "$(compgen -d | sort)" "directories"
named_oddly() {
	_netctl_names() {
		printf '%s\n' '$(touch${IFS}run)' 'a b' '~'
	}
	COMP_WORDS=(netctl network inspect "$@")
	COMP_CWORD=3
	_netctl
	printf '%s\n' "${COMPREPLY[@]}"
}
same "$(named_oddly '')" '\$\(touch\$\{IFS\}run\)'$'\n''a\ b'$'\n''\~' "odd names"
same "$(named_oddly 'a\ ')" 'a\ b'
same "$(named_oddly '"a ')" 'a\ b'
[ ! -e run ] || fail "completing ran a command that a network is named for"
cd .. || exit

note "snapshots: bash parts words at @"
snapshots() {
	_netctl_names() {
		[ "$*" != "Name volume snapshot ls site" ] || printf '%s\n' one two
	}
	offered "$@"
}
same "$(snapshots volume rollback site @)" 'one two'
same "$(snapshots volume rollback site @ t)" two
same "$(offered volume rollback @ 2>&1)" ''
same "$(snapshots volume clone site @ two '')" ''

note "the man page"
cat >man.py <<'END'
"""MAN TABLE - what the page lacks of the table, and entries of verbs that are none."""
import re, sys

page, table = (open(f).read().split("\n") for f in sys.argv[1:])


def plain(line):
    line = re.sub(r"^\.(BR|RB|B|IR|RI|I|BI|IB) ?", "", line)
    return re.sub(r'\\f[BIRP]|\\&|"', "", line).replace("\\", "")


def has(text, flag):
    return re.search(r"(?<![\w-])%s(?![\w-])" % re.escape(flag), text)


sections = {}  # the first words of an entry: its text
at = ""
start, end = page.index(".SH VERBS"), page.index(".SH FLAGS")
for i in range(start, end):
    if page[i] in (".TP", ".TQ"):
        at = plain(page[i + 1])
        if page[i] == ".TQ":
            sections[at] = ""
    sections[at] = sections.get(at, "") + " " + plain(page[i])
flags = " ".join(plain(line) for line in page[end:])
everywhere = " ".join(sections.values()) + flags
verbs = {}
for line in filter(None, table):
    cells = line.split("\t")
    if cells[0]:
        verb = cells[0]
        verbs[verb] = []
    else:
        verbs[verb].append((cells[1], cells[2]))
wrong = []
for verb, own in verbs.items():
    entries = [t for h, t in sections.items() if h == verb or h.startswith(verb + " ")]
    if not entries:
        wrong.append("no entry: " + verb)
    text = " ".join(entries)
    for flag, letter in own:
        if not has(text, flag) and not has(flags, flag) and not has(everywhere, flag) \
           and not (letter.strip() and has(text, letter)):
            wrong.append("no flag: %s of %s" % (flag, verb))
for head in sections:
    words = head.split()
    if words and not any(" ".join(words[:n]) in verbs for n in (1, 2, 3)):
        wrong.append("no such verb: " + head)
print("\n".join(wrong))
END
same "$(python3 man.py "$IT/../docs/man/netctl.8" table)" ''
if command -v man >/dev/null && command -v groff >/dev/null; then
	for page in "$IT"/../docs/man/*.8; do
		same "$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -E UTF-8 -l "$page" 2>&1 >/dev/null)" '' "$page"
	done
fi
