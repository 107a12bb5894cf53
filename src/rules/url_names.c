// SPDX-License-Identifier: MIT
#include "rules/url_names.h"

#define ACCOUNT "{account}"
#define SITE "{site}"

// Where path or query begin.
static size_t authority_end(bytes url) {
    size_t at = bytes_search(url, B("://"));
    bytes rest = bytes_slice(url, at < url.n ? at + 3 : 0, url.n);
    size_t slash = bytes_find(rest, '/'), query = bytes_find(rest, '?');
    return url.n - rest.n + (query < slash ? query : slash);
}

const char *url_names_fault(bytes url) {
    bytes authority = bytes_slice(url, 0, authority_end(url));
    if (bytes_find(authority, '{') < authority.n || bytes_find(authority, '}') < authority.n)
        return "it has { or } before its path; {account} and {site} may stand in path and query "
               "alone, so that no event chooses whom it is sent to";
    bytes rest = bytes_slice(url, authority.n, url.n);
    while (rest.n > 0) {
        size_t open = bytes_find(rest, '{');
        if (bytes_find(rest, '}') < open)
            return "it has a } without a { before it; where the character itself is meant, write "
                   "%7D";
        rest = bytes_slice(rest, open, rest.n);
        size_t n = bytes_starts(rest, B(ACCOUNT)) ? B(ACCOUNT).n
                   : bytes_starts(rest, B(SITE))  ? B(SITE).n
                                                  : 0;
        if (rest.n > 0 && n == 0)
            return "it has a { that begins neither {account} nor {site}; where the character "
                   "itself is meant, write %7B";
        rest = bytes_slice(rest, n, rest.n);
    }
    return NULL;
}

static bool is_unreserved(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '~';
}

static bool is_dots(bytes b) {
    for (size_t i = 0; i < b.n; i++)
        if (b.p[i] != '.')
            return false;
    return true;
}

static void add_value(bytes value, struct text *out) {
    bool dots = is_dots(value);
    for (size_t i = 0; i < value.n; i++)
        if (dots)
            text_adds(out, "%252E");
        else if (is_unreserved(value.p[i]))
            text_addc(out, (char)value.p[i]);
        else
            text_addf(out, "%%%02X", value.p[i]);
}

void url_names_fill(bytes url, bytes account, bytes site, struct text *out) {
    while (url.n > 0) {
        size_t open = bytes_find(url, '{');
        text_add(out, bytes_slice(url, 0, open));
        url = bytes_slice(url, open, url.n);
        if (url.n == 0)
            return;
        bool is_account = bytes_starts(url, B(ACCOUNT));
        if (is_account)
            add_value(account.n > 0 ? account : B("platform"), out);
        else
            add_value(site.n > 0 ? site : B("unclaimed"), out);
        url = bytes_slice(url, is_account ? B(ACCOUNT).n : B(SITE).n, url.n);
    }
}
