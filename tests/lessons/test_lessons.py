"""What goes wrong in systems of this kind, and the tests that would notice. Removing one of them fails the build.

Each lesson was learnt from wallets that lost or made up money, let the wrong people in, or told what was not so. A
lesson without a number here is about something that we do not have yet.
"""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]


class Lesson(NamedTuple):
    """``tests``: node ids below tests/."""

    went_wrong: str
    tests: list[str]


LESSONS = {
    1: Lesson("Sums of amounts that arrive as strings are glued together.", [
        "lessons/test_money.py::test_a_balance_is_the_sum_of_what_came_and_went_whoever_begins",
    ]),
    2: Lesson("Money in floats, in columns, on the wire or in between.", [
        "lessons/test_money.py::test_no_column_holds_money_as_anything_but_whole_numbers",
        "lessons/test_money.py::test_where_money_is_counted_nothing_is_a_float",
        "core/test_no_floats.py::test_no_float_comes_near_money",
        "core/test_money.py::test_what_is_written_is_read_back",
        "transactions/test_fees.py::test_a_fee_is_the_exact_share_rounded_half_up",
        "core/test_parsing.py::test_numbers_are_exact",
        "core/test_serializers.py::test_an_amount_is_a_decimal_string_or_an_exact_number",
    ]),
    3: Lesson("A migration makes a balance column anew, and everybody has nothing.", [
        "lessons/test_money.py::test_no_migration_takes_anything_from_the_books",
        "lessons/test_money.py::test_a_migration_that_drops_a_balance_would_be_noticed",
        "lessons/test_money.py::test_the_newest_migrations_run_over_books_that_are_full",
    ]),
    4: Lesson("Read, compute, write back: of two spenders one is forgotten.", [
        "transactions/test_races.py::test_a_balance_is_spent_once_however_many_try",
        "transactions/test_races.py::test_the_harness_catches_a_spender_without_a_lock",
    ]),
    5: Lesson("Locks taken in no order: two wallets that pay each other stop everything.", [
        "transactions/test_races.py::test_a_pair_that_pays_each_other_never_locks_up",
    ]),
    6: Lesson("Balance, limits or uniqueness checked before the lock, or nowhere but in the application.", [
        "transactions/test_races.py::test_without_our_lock_the_database_still_lets_one_through",
        "lessons/test_money.py::test_many_at_once_do_not_pass_a_limit_together",
        "wallets/test_open_wallet.py::test_the_database_itself_refuses_a_second_open_wallet",
        "customers/test_register.py::test_two_at_once_make_one_customer",
    ]),
    7: Lesson("Balance, transaction and log in commits of their own: a crash in between loses one of them.", [
        "transactions/test_guards.py::test_a_journal_and_its_entries_cannot_come_one_after_the_other",
        "transactions/test_guards.py::test_a_birth_that_is_not_right_is_refused",
        "transactions/test_worker_kills.py::test_killed_between_any_two_steps_everything_is_done_once",
        "transactions/test_database_away.py::test_a_connection_lost_each_time_is_told_and_nothing_moved",
        "transactions/test_poster.py::test_a_lost_answer_to_commit_is_an_unknown_outcome_and_a_retry_tells_that_it_happened",
    ]),
    8: Lesson("Two checks that differ by one: sending exactly all there is pays out and takes nothing.", [
        "lessons/test_money.py::test_exactly_all_there_is_can_be_sent_once",
        "transactions/test_post.py::test_a_failed_cash_out_lets_go_of_what_it_held",
    ]),
    9: Lesson("A refund under a key that was used up can never happen; a key of somebody else can be burnt.", [
        "transactions/test_post.py::test_the_same_key_moves_money_once_and_another_body_is_refused",
        "transactions/test_races.py::test_one_key_in_many_sessions_is_one_payment",
        "admin/test_reverse_dialog.py::test_the_same_dialog_sent_twice_reverses_once",
        "api/test_idor_matrix.py::test_a_strangers_idempotency_key_answers_nothing_of_mine",
    ]),
    10: Lesson("A payment that failed was given back, is tried again and paid without being taken again.", [
        "transactions/test_rail_messages.py::test_a_late_success_after_failure_is_odd_and_pays_nothing",
        "transactions/test_rail_calls.py::test_silence_is_asked_about_before_anything_else_happens",
        "transactions/test_rail_calls.py::test_control_a_fresh_reference_for_each_call_pays_twice_and_it_shows",
        "transactions/test_races.py::test_every_other_move_is_refused_and_leaves_nothing_behind",
        "transactions/test_model.py::test_the_books_do_what_a_ledger_of_a_hundred_lines_does",
    ]),
    11: Lesson("Paying oneself makes money; a negative amount takes it from others.", [
        "transactions/test_transfer_api.py::test_what_cannot_be_read_is_refused_and_not_kept",
        "transactions/test_transfer_api.py::test_refusals_of_business_are_kept_each_with_its_code",
    ]),
    12: Lesson("A second address for the same thing forgets to ask whose it is.", [
        "api/test_idor_matrix.py::test_every_door_has_a_row",
        "api/test_idor_matrix.py::test_what_belongs_to_another_is_what_does_not_exist",
        "api/test_idor_matrix.py::test_without_a_good_token_nobody_is_served",
        "api/test_idor_matrix.py::test_every_view_says_who_may_use_it",
        "api/test_idor_matrix.py::test_the_matrix_notices_a_door_left_open",
    ]),
    13: Lesson("Whoever registers says what they are: administrator.", [
        "wallets/test_wallet_api.py::test_nobody_registers_as_more_than_a_customer",
        "customers/test_register.py::test_nobody_registers_into_a_role_or_tier",
        "api/test_mass_assignment.py::test_no_model_field_can_be_slipped_in",
        "api/test_idor_matrix.py::test_the_back_office_is_closed_to_all_but_staff",
    ]),
    14: Lesson("Anybody credits anybody: a deposit is a number that a client sends.", [
        "lessons/test_doors.py::test_no_door_for_customers_makes_money",
        "lessons/test_doors.py::test_what_comes_in_is_owed_only_when_a_rail_holds_it",
        "transactions/test_rail_messages.py::test_a_forged_message_is_refused_and_moves_nothing",
        "transactions/test_rail_messages.py::test_another_amount_or_currency_is_odd_and_credits_nothing",
        "transactions/test_guards.py::test_no_account_is_born_with_money",
    ]),
    15: Lesson("Answers carry password hashes, and other people's data.", [
        "customers/test_profile.py::test_no_answer_carries_a_hash_or_another_ones_token",
        "api/test_idor_matrix.py::test_the_owner_is_served",
        "wallets/test_balance.py::test_a_masked_name_is_recognised_and_not_looked_up",
    ]),
    16: Lesson("An idempotency key looked up without its owner answers with somebody else's payment.", [
        "api/test_idor_matrix.py::test_a_strangers_idempotency_key_answers_nothing_of_mine",
        "transactions/test_races.py::test_two_bodies_with_one_key_are_one_payment_and_the_losers_are_told",
    ]),
    17: Lesson("Secrets in code, images, examples, seeds and logs.", [
        "customers/test_passwords.py::test_no_secret_has_a_built_in_value",
        "lessons/test_doors.py::test_no_migration_and_no_setting_lets_anybody_in",
        "lessons/test_doors.py::test_an_image_is_made_of_what_is_named_and_holds_no_secret",
        "embedded/test_deployment_files.py::test_the_example_sets_nothing_until_somebody_does",
        "embedded/test_servers.py::test_passwords_are_random_wanted_and_readable_by_us_alone",
        "customers/test_tokens.py::test_a_refresh_token_is_kept_as_its_hash_and_is_256_bits",
        "customers/test_tokens.py::test_a_token_lives_fifteen_minutes_and_the_leeway",
        "core/test_logs.py::test_a_request_is_one_line_without_body_query_token_or_path",
    ]),
    18: Lesson("Passwords can be guessed without end, and accounts found by asking.", [
        "customers/test_sign_in.py::test_of_a_thousand_parallel_guesses_five_are_evaluated",
        "customers/test_sign_in.py::test_known_and_unknown_names_get_the_same_refusal_and_cost_one_hash",
        "customers/test_register.py::test_nobody_reads_the_customer_list_by_registering",
        "admin/test_sign_in.py::test_guesses_at_one_account_end_and_a_right_one_before_that_starts_them_anew",
        "core/test_throttling.py::test_a_burst_of_threads_gets_no_more_than_the_bucket",
    ]),
    19: Lesson("Deposits without a counter-entry: no sum can prove anything.", [
        "transactions/test_journals.py::test_every_journal_balances_whatever_the_amounts",
        "transactions/test_guards.py::test_a_posting_that_is_not_right_is_refused",
        "transactions/test_verify_ledger.py::test_what_is_broken_is_found_and_named",
        "lessons/test_doors.py::test_what_comes_in_is_owed_only_when_a_rail_holds_it",
    ]),
    20: Lesson("The recipient does not see what came in.", [
        "transactions/test_transfer_api.py::test_a_transfer_reaches_both_histories",
        "transactions/test_relay.py::test_a_transfer_is_told_to_both_and_published_once",
    ]),
    21: Lesson("Times are those of the start of a database transaction: rows and balances are out of order.", [
        "transactions/test_post.py::test_times_numbers_and_ids_of_a_wallet_sort_alike",
        "ledger/test_books.py::test_a_posting_is_later_than_anything_on_its_accounts_even_when_the_clock_went_back",
        "transactions/test_relay.py::test_events_of_a_wallet_arrive_in_the_order_of_its_entries",
    ]),
    22: Lesson("Totals and thresholds over currencies, as if a shilling were a dollar.", [
        "ledger/test_books.py::test_each_currency_balances_for_itself",
        "admin/test_dashboard.py::test_volume_is_per_currency_and_leaves_reversals_and_refusals_out",
        "admin/test_dashboard.py::test_charts_show_one_currency_at_a_time",
        "customers/test_limits.py::test_no_tier_is_without_limits_in_any_currency",
        "reports/test_export_content.py::test_control_totals_are_the_sums_of_the_file_and_of_the_table",
    ]),
    23: Lesson("Lists without an end, limits that nobody reads, pages by counting.", [
        "lessons/test_doors.py::test_every_list_is_known_here",
        "lessons/test_doors.py::test_a_limit_that_makes_no_sense_is_refused",
        "lessons/test_doors.py::test_no_page_is_longer_than_two_hundred_and_none_is_skipped_by_counting",
        "transactions/test_history_cost.py::test_the_first_page_and_one_deep_down_touch_as_many_entries",
        "transactions/test_transfer_api.py::test_history_pages_meet_without_gap_or_overlap",
    ]),
    26: Lesson("Looking changes something; work in the background is done by whoever reads.", [
        "lessons/test_doors.py::test_reading_changes_nothing",
        "admin/test_dialogs.py::test_no_page_changes_anything_on_get",
        "transactions/test_transfer_api.py::test_a_preview_says_what_would_happen_and_posts_nothing",
    ]),
    27: Lesson("A verification or a payment that is always told to have gone well.", [
        "lessons/test_doors.py::test_nothing_is_granted_by_itself",
        "lessons/test_doors.py::test_nothing_in_the_product_is_a_stand_in",
        "transactions/test_rail_doors.py::test_a_deposit_is_pending_then_completed_and_told",
    ]),
    28: Lesson("Documents that drift from the code, statuses that say another thing than the answer.", [
        "lessons/test_doors.py::test_the_status_of_a_problem_is_the_status_of_its_answer",
        "docs/test_commands.py::test_every_command_does_what_the_page_says",
        "docs/test_documents.py::test_the_tables_say_what_the_code_says",
        "docs/test_documents.py::test_every_call_of_the_api_is_on_its_page",
        "api/test_openapi.py::test_the_committed_schema_is_that_of_the_code",
        "api/test_fuzz.py::test_no_request_surprises_us",
    ]),
    29: Lesson("Errors that tell of tables, constraints and statements.", [
        "core/test_problems.py::test_every_failure_is_a_problem_that_tells_nothing_of_our_insides",
        "core/test_logs.py::test_a_failing_statement_is_logged_without_the_values_it_failed_on",
    ]),
}  # fmt: skip
NAMED = [node for lesson in LESSONS.values() for node in lesson.tests]


@cache
def functions_in(path: Path) -> dict[str, ast.FunctionDef]:
    """The tests that pytest would find in a file, without importing it."""
    if not path.exists():
        return {}
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def is_there(node: str, root: Path = ROOT / "tests") -> bool:
    """Whether the test exists and is not skipped whatever happens."""
    path, _, name = node.partition("::")
    found = functions_in(root / path).get(name)
    return found is not None and not any("skip" in ast.unparse(decorator) for decorator in found.decorator_list)


def test_every_lesson_has_its_tests() -> None:
    assert set(LESSONS) == {*range(1, 24), *range(26, 30)}
    assert [number for number, lesson in LESSONS.items() if not lesson.tests] == []


@pytest.mark.parametrize("node", sorted(set(NAMED)))
def test_the_test_is_there(node: str) -> None:
    assert is_there(node), "a lesson would be forgotten: bring the test back, or name the one that took its place"


def test_one_that_is_gone_or_skipped_would_be_missed(tmp_path: Path) -> None:
    file = tmp_path / "test_it.py"
    file.write_text(
        "import pytest\n\ndef test_a(): ...\n\n@pytest.mark.skip\ndef test_b(): ...\n\n# def test_c(): ...\n"
    )

    there = [name for name in ("a", "b", "c") if is_there(f"test_it.py::test_{name}", tmp_path)]

    assert there == ["a"]
