/* Tests of lua/callback.h. */
/* SPDX-License-Identifier: MIT */
#include "lua/callback.h"

#include <lauxlib.h>
#include <luv/luv.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static lua_State *new_state(void)
{
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    luaL_openlibs(L);
    return L;
}

static void open_luv(lua_State *L)
{
    lua_pushcfunction(L, luaopen_luv);
    lua_call(L, 0, 1);
    lua_setglobal(L, "uv");
}

static void run(lua_State *L, const char *code)
{
    if (luaL_dostring(L, code) != 0)
        fail_msg("%s", lua_tostring(L, -1));
}

/* What the chunk gives as text; borrowed from the state. */
static const char *text_of(lua_State *L, const char *code)
{
    run(L, code);
    return lua_tostring(L, -1);
}

static lua_State *new_state_with_report(const char *report)
{
    lua_State *L = new_state();
    assert_int_equal(aimp__callback_install(L), 1);
    open_luv(L);
    run(L, report);
    aimp__callback_set_report(L);
    return L;
}

#define FAILING_TIMER                                                                              \
    "local t = uv.new_timer() "                                                                    \
    "t:start(0, 0, function() t:close() local function inner() error(value, 0) end inner() end) "  \
    "uv.run() "

static void an_error_is_reported_with_its_traceback(void **state)
{
    (void)state;
    lua_State *L = new_state_with_report("return function(e, tb) err, traceback = e, tb end");
    run(L, "value = 'oops' " FAILING_TIMER);
    assert_string_equal(text_of(L, "return err"), "oops");
    assert_string_equal(text_of(L, "return traceback:match('in function .inner.')"),
                        "in function 'inner'");
    lua_close(L);
}

static void any_value_is_reported_as_it_is(void **state)
{
    (void)state;
    lua_State *L = new_state_with_report("return function(e) n, err = (n or 0) + 1, e end");
    run(L, "value = nil " FAILING_TIMER);
    run(L, "assert(n == 1 and err == nil)");
    run(L, "value = {} " FAILING_TIMER "assert(n == 2 and err == value)");
    run(L, "value = false " FAILING_TIMER "assert(n == 3 and err == false)");
    lua_close(L);
}

static void the_stack_stays_balanced(void **state)
{
    (void)state;
    lua_State *L = new_state_with_report("return function() error('report fails too') end");
    int top = lua_gettop(L);
    for (int i = 0; i < 5; i++)
        run(L, "value = 'oops' " FAILING_TIMER);
    assert_int_equal(lua_gettop(L), top);
    lua_close(L);
}

static void without_a_report_the_loop_goes_on(void **state)
{
    (void)state;
    lua_State *L = new_state();
    assert_int_equal(aimp__callback_install(L), 1);
    open_luv(L);
    run(L, "value = 'oops' " FAILING_TIMER "reached = 'yes'");
    assert_string_equal(text_of(L, "return reached"), "yes");
    lua_close(L);
}

static void results_and_arguments_pass_through(void **state)
{
    (void)state;
    lua_State *L = new_state();
    assert_int_equal(aimp__callback_install(L), 1);
    luv_CFpcall call = luv_context(L)->cb_pcall;
    run(L, "return function(a, b) return b, a, 3 end");
    lua_pushinteger(L, 1);
    lua_pushinteger(L, 2);
    assert_int_equal(call(L, 2, LUA_MULTRET, 0), 3);
    assert_int_equal(lua_gettop(L), 3);
    assert_int_equal(lua_tointeger(L, 1), 2);
    lua_settop(L, 0);
    run(L, "return error");
    assert_int_equal(call(L, 0, 0, LUVF_CALLBACK_NOERRMSG), -LUA_ERRRUN);
    assert_int_equal(lua_gettop(L), 0);
    lua_close(L);
}

static void a_hosts_routine_is_kept(void **state)
{
    (void)state;
    lua_State *L = new_state();
    open_luv(L);
    luv_CFpcall hosts = luv_context(L)->cb_pcall;
    assert_int_equal(aimp__callback_install(L), 0);
    assert_ptr_equal(luv_context(L)->cb_pcall, hosts);
    lua_close(L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_is_reported_with_its_traceback),
        cmocka_unit_test(any_value_is_reported_as_it_is),
        cmocka_unit_test(the_stack_stays_balanced),
        cmocka_unit_test(without_a_report_the_loop_goes_on),
        cmocka_unit_test(results_and_arguments_pass_through),
        cmocka_unit_test(a_hosts_routine_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
