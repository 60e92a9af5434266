#!/usr/bin/env bash
# A worker in bash, with jq: one call after another.
#
#     mesh serve -d tools --worker -- bash worker.sh
#     mesh call tools add 2 b=3
#     mesh stream tools count 5
#
# What it does not know, such as a cancel, it leaves alone. While it counts it reads nothing, so a
# slow reader of the stream makes it wait in `printf`, and further calls wait for it.
set -u

printf '%s\n' '{"methods":[
  {"name":"add","doc":"Adds two numbers.","params":["a","b"]},
  {"name":"count","doc":"Counts up to a number.","params":["to"],"stream":true}]}' | jq -c .

while IFS= read -r line; do
    # Two texts, each on a line of its own: neither may hold a break. No answer where none is due.
    { read -r id; read -r method; } < <(jq -r '.id, (.method // "")' <<<"$line")
    case "$method" in
    "") ;;
    add)
        jq -c '{id, value: ((.args[0] // .kwargs.a) + (.args[1] // .kwargs.b // 0))}' <<<"$line" \
            2>/dev/null || printf '{"id":%s,"error":"add takes numbers"}\n' "$id"
        ;;
    count)
        to=$(jq -r '(.args[0] // .kwargs.to) | tonumber | floor' <<<"$line" 2>/dev/null) || {
            printf '{"id":%s,"error":{"message":"count takes a number","code":"bad_arguments"}}\n' \
                "$id"
            continue
        }
        for ((n = 1; n <= to; n++)); do
            printf '{"id":%s,"item":%s}\n' "$id" "$n"
        done
        printf '{"id":%s,"value":null}\n' "$id"
        ;;
    *) printf '{"id":%s,"error":"no such method"}\n' "$id" ;;
    esac
done
