"""A recipe on its way from the dispatcher to the worker."""

from hypothesis import given

from contract.recipe import Recipe
from tests.contract.documents import recipes


@given(recipe=recipes)
def test_what_travels_is_the_same_recipe(recipe: Recipe) -> None:
    """The wire form leaves out defaults and nothing else."""
    assert Recipe.model_validate(recipe.to_json_dict()) == recipe
