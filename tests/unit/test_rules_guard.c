// SPDX-License-Identifier: MIT
// Which addresses somebody else's URL may lead to: both ends of each block, what lies beside them,
// and exceptions.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "rules/guard.h"

static const char *judge(const char *address, const char *const *ranges) {
    static struct guard_range allowed[8];
    uint8_t raw[16];
    size_t n = 0;
    for (; ranges != NULL && ranges[n] != NULL; n++)
        if (guard_range_parse(bytes_of(ranges[n]), &allowed[n]) != OK)
            fail_msg("%s is no range", ranges[n]);
    bool six = strchr(address, ':') != NULL;
    if (inet_pton(six ? AF_INET6 : AF_INET, address, raw) != 1)
        fail_msg("%s is no address", address);
    return guard_refuses(bytes_from(raw, six ? 16 : 4), allowed, n);
}

static void assert_judged(const char *address, const char *const *ranges, const char *want) {
    const char *got = judge(address, ranges);
    if ((got == NULL) != (want == NULL) || (got != NULL && strcmp(got, want) != 0))
        fail_msg("%s: %s, not %s", address, got == NULL ? "let through" : got,
                 want == NULL ? "let through" : want);
}

static const struct {
    const char *address, *want;
} rows[] = {
    {"1.1.1.1", NULL},
    {"3.18.12.63", NULL}, // one of Stripe's
    {"9.255.255.255", NULL},
    {"11.0.0.0", NULL},
    {"100.63.255.255", NULL},
    {"100.128.0.0", NULL},
    {"126.255.255.255", NULL},
    {"128.0.0.0", NULL},
    {"169.253.255.255", NULL},
    {"169.255.0.0", NULL},
    {"172.15.255.255", NULL},
    {"172.32.0.0", NULL},
    {"191.255.255.255", NULL},
    {"192.0.1.0", NULL},
    {"192.167.255.255", NULL},
    {"192.169.0.0", NULL},
    {"198.17.255.255", NULL},
    {"198.20.0.0", NULL},
    {"168.63.129.15", NULL},
    {"168.63.129.17", NULL},
    {"223.255.255.255", NULL},
    {"2606:4700:4700::1111", NULL},
    {"2001:200::1", NULL},
    {"2001:4860:4860::8888", NULL},
    {"2003::1", NULL},
    {"2620:4f:8000::1", NULL},
    {"3ffe::1", NULL},
    {"0.0.0.0", "the unspecified address"},
    {"0.0.0.1", "reserved"},
    {"0.255.255.255", "reserved"},
    {"10.0.0.0", "private"},
    {"10.255.255.255", "private"},
    {"100.64.0.0", "shared address space"},
    {"100.127.255.255", "shared address space"},
    {"127.0.0.1", "loopback"},
    {"127.255.255.254", "loopback"},
    {"169.254.0.1", "link-local"},
    {"169.254.169.253", "link-local"},
    {"169.254.169.254", "a cloud's metadata"},
    {"169.254.170.2", "a cloud's metadata"},
    {"100.100.100.200", "a cloud's metadata"},
    {"192.0.0.192", "a cloud's metadata"},
    {"168.63.129.16", "a cloud's metadata"},
    {"fd00:ec2::254", "a cloud's metadata"},
    {"fd20:ce::254", "a cloud's metadata"},
    {"172.16.0.0", "private"},
    {"172.31.255.255", "private"},
    {"192.0.0.8", "reserved"},
    {"192.0.2.1", "for documentation"},
    {"192.88.99.1", "reserved"},
    {"192.168.0.1", "private"},
    {"198.18.0.1", "reserved"},
    {"198.19.255.255", "reserved"},
    {"198.51.100.7", "for documentation"},
    {"203.0.113.255", "for documentation"},
    {"224.0.0.1", "multicast"},
    {"239.255.255.255", "multicast"},
    {"240.0.0.1", "reserved"},
    {"255.255.255.254", "reserved"},
    {"255.255.255.255", "broadcast"},
    {"::", "the unspecified address"},
    {"::1", "loopback"},
    {"::2", "IPv4 in an old form of IPv6"},
    {"::127.0.0.1", "IPv4 in an old form of IPv6"},
    {"::1.1.1.1", "IPv4 in an old form of IPv6"},
    {"::ffff:127.0.0.1", "IPv4 mapped into IPv6"},
    {"::ffff:1.1.1.1", "IPv4 mapped into IPv6"},
    {"::ffff:0:10.0.0.1", "IPv4 translated into IPv6"},
    {"64:ff9b::10.0.0.1", "IPv4 behind NAT64"},
    {"64:ff9b::1.1.1.1", "IPv4 behind NAT64"},
    {"64:ff9b:1::a00:1", "IPv4 behind NAT64"},
    {"64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "IPv4 behind NAT64"},
    {"64:ff9b:2::", "not of the part of IPv6 that is in use"},
    {"100::1", "reserved"},
    {"2001::1", "IPv4 behind Teredo"},
    {"2001:0:4136:e378:8000:63bf:3fff:fdd2", "IPv4 behind Teredo"},
    {"2001:2::1", "reserved"},
    {"2001:1ff:ffff::", "reserved"},
    {"2001:db8::1", "for documentation"},
    {"2002:7f00:1::", "IPv4 behind 6to4"},
    {"2002:ffff:ffff:ffff::", "IPv4 behind 6to4"},
    {"3fff::1", "for documentation"},
    {"3fff:fff:ffff::", "for documentation"},
    {"3fff:1000::", NULL},
    {"4000::", "not of the part of IPv6 that is in use"},
    {"5f00::1", "reserved"},
    {"fbff::1", "not of the part of IPv6 that is in use"},
    {"fc00::1", "private"},
    {"fdff:ffff::1", "private"},
    {"fe00::1", "not of the part of IPv6 that is in use"},
    {"fe80::1", "link-local"},
    {"febf::1", "link-local"},
    {"fec0::1", "site-local"},
    {"feff::1", "site-local"},
    {"ff02::1", "multicast"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"},
};

static void known_addresses(void **state) {
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_judged(rows[i].address, NULL, rows[i].want);
    assert_non_null(guard_refuses(NO_BYTES, NULL, 0));
    assert_non_null(guard_refuses(B("\x01\x01\x01\x01\x01"), NULL, 0));
}

// The first and the last address of each row, and some inside, whatever row they count for.
static void no_hole_in_a_block(void **state) {
#define G(g) (g) >> 8, (g)&0xff
    static const struct {
        uint8_t address[16], n, bits;
    } blocks[] = {
#define FOUR(a, b, c, d, bits, kind, reason) {{a, b, c, d}, 4, bits},
#define SIX(a, b, c, d, e, f, g, h, bits, kind, reason)                                            \
    {{G(a), G(b), G(c), G(d), G(e), G(f), G(g), G(h)}, 16, bits},
#define INNER(a, b, c, d, e, f, g, h, bits, kind, inner, reason)                                   \
    SIX(a, b, c, d, e, f, g, h, bits, kind, reason)
#include "rules/guard.def"
    };
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) {
        uint8_t at[16];
        memcpy(at, blocks[i].address, sizeof at);
        assert_non_null(guard_refuses(bytes_from(at, blocks[i].n), NULL, 0));
        for (int bit = blocks[i].n * 8 - 1; bit >= blocks[i].bits; bit--) {
            assert_int_equal(at[bit / 8] & 0x80 >> bit % 8, 0); // the row begins at its network
            at[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
            assert_non_null(guard_refuses(bytes_from(at, blocks[i].n), NULL, 0));
        }
    }
}

static void exceptions(void **state) {
    const char *some[] = {"10.1.0.0/16", "127.0.0.1/32", "fd00:1::/32", NULL};
    assert_judged("10.1.0.0", some, NULL);
    assert_judged("10.1.255.255", some, NULL);
    assert_judged("10.0.255.255", some, "private");
    assert_judged("10.2.0.0", some, "private");
    assert_judged("127.0.0.1", some, NULL);
    assert_judged("127.0.0.2", some, "loopback");
    assert_judged("fd00:1:ffff::1", some, NULL);
    assert_judged("fd00:2::1", some, "private");
    // Of forms that carry another address, the other one is judged besides.
    assert_judged("::ffff:10.1.0.1", some, "IPv4 mapped into IPv6");
    const char *forms[] = {"64:ff9b::/96", "::ffff:0:0/96", "2002::/16", "10.1.0.0/16", NULL};
    assert_judged("64:ff9b::1.1.1.1", forms, NULL);
    assert_judged("64:ff9b::10.1.0.1", forms, NULL);
    assert_judged("64:ff9b::10.2.0.1", forms, "private");
    assert_judged("64:ff9b::169.254.169.254", forms, "a cloud's metadata");
    assert_judged("::ffff:127.0.0.1", forms, "loopback");
    assert_judged("2002:a01:1::", forms, NULL);
    assert_judged("2002:7f00:1::", forms, "loopback");
    // What gives credentials away has to be meant.
    const char *all[] = {"0.0.0.0/0", "::/0", NULL};
    assert_judged("192.168.1.1", all, NULL);
    assert_judged("4000::", all, NULL);
    assert_judged("169.254.169.254", all, "a cloud's metadata");
    assert_judged("fd00:ec2::254", all, "a cloud's metadata");
    assert_judged("::ffff:169.254.169.254", all, "a cloud's metadata");
    const char *meant[] = {"169.254.169.254/32", NULL};
    assert_judged("169.254.169.254", meant, NULL);
    const char *odd[] = {"172.16.0.0/13", "fc00::/7", NULL};
    assert_judged("172.23.255.255", odd, NULL);
    assert_judged("172.24.0.0", odd, "private");
    assert_judged("fdff::1", odd, NULL);
}

static void ranges_are_read_strictly(void **state) {
    static const char *const good[] = {
        "0.0.0.0/0", "255.255.255.255/32",  "::/0",      "::1/128",
        "1::/16",    "1:2:3:4:5:6:7:8/128", "fe80::/10", "FD00:AbCd::/32",
        "::8/125",   "1:2:3:4:5:6:7::/112",
    };
    static const char *const bad[] = {
        "",
        "/",
        "/8",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "10.0.0.1/8",
        "10.128.0.0/8",
        "10.0.0/8",
        "10/8",
        "10.0.0.0.0/8",
        "10.0.0.256/32",
        "010.0.0.0/8",
        "0x0a.0.0.0/8",
        "10.0.0.0/0008",
        "10.0.0.0/8/8",
        "10..0.0/8",
        "a.b.c.d/8",
        "::",
        "::/129",
        ":/0",
        ":::/0",
        "1::2::/64",
        "1:2:3:4:5:6:7/64",
        "1:2:3:4:5:6:7:8:9/64",
        "1:2:3:4:5:6:7:8::/128",
        "12345::/16",
        "g::/16",
        "1:/16",
        ":1/16",
        "fe80::1%eth0/128",
        "[::1]/128",
        "::ffff:10.0.0.0/104",
        "fd00::1/32",
    };
    struct guard_range r;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (guard_range_parse(bytes_of(good[i]), &r) != OK)
            fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (guard_range_parse(bytes_of(bad[i]), &r) == OK)
            fail_msg("%s is taken", bad[i]);
    assert_null(guard_range_parse(B("1:2::7:0/112"), &r));
    assert_memory_equal(r.address, "\0\1\0\2\0\0\0\0\0\0\0\0\0\7\0\0", 16);
    assert_int_equal(r.bits, 112);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_addresses),
        cmocka_unit_test(no_hole_in_a_block),
        cmocka_unit_test(exceptions),
        cmocka_unit_test(ranges_are_read_strictly),
    };
    return cmocka_run_group_tests_name("rules_guard", tests, NULL, NULL);
}
