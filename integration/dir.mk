tools += hammer
hammer-main := integration/tools/hammer.c
tools += badreq
badreq-main := integration/tools/badreq.c integration/tools/badreq_values.c
tools += pps
pps-main := integration/tools/pps.c
tools += cutlog
cutlog-main := integration/tools/cutlog.c
