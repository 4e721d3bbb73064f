"""A model with the parameters in parameters.json. Prints its r2 on validation.csv and writes submission.csv.

    python3 model.py

It is a worked example, and what the `tuner` searches: a ridge regression and gradient-boosted trees, both on the
logarithm of the price or on the price itself, mixed.
"""

import json

import numpy
import pandas
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler


def with_columns(numeric, categorical, encoder, model):
    """The model behind imputation and the encoder of text columns."""
    known = make_pipeline(SimpleImputer(strategy="constant", fill_value="missing"), encoder)
    scaled = make_pipeline(SimpleImputer(strategy="mean"), StandardScaler())
    columns = ColumnTransformer([("numeric", scaled, numeric), ("categorical", known, categorical)])
    return make_pipeline(columns, model)


def models(features, parameters):
    """Share -> model."""
    numeric = features.select_dtypes("number").columns
    categorical = features.columns.difference(numeric, sort=False)
    ridge = with_columns(
        numeric,
        categorical,
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
        Ridge(alpha=parameters["alpha"]),
    )
    trees = with_columns(
        numeric,
        categorical,
        OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        GradientBoostingRegressor(
            n_estimators=parameters["trees"],
            learning_rate=parameters["learning_rate"],
            max_depth=parameters["depth"],
            subsample=0.7,
            max_features=0.3,
            random_state=0,
        ),
    )
    share = parameters["share_of_trees"]
    return [(weight, model) for weight, model in ((1 - share, ridge), (share, trees)) if weight > 0]


def fit_and_predict(train, test, parameters):
    """The predictions for `test` of the mixture fitted to `train`."""
    features = train.drop(columns=["Id", "SalePrice"])
    predictions = numpy.zeros(len(test))
    for weight, model in models(features, parameters):
        if parameters["target"] == "logarithm":
            model = TransformedTargetRegressor(model, func=numpy.log, inverse_func=numpy.exp)
        predictions += weight * model.fit(features, train["SalePrice"]).predict(test[features.columns])
    return predictions


def main():
    with open("parameters.json", encoding="utf-8") as file:
        parameters = json.load(file)
    train, validation, test = (pandas.read_csv(f"data/{name}.csv") for name in ("train", "validation", "test"))
    print("r2 on validation.csv:", r2_score(validation["SalePrice"], fit_and_predict(train, validation, parameters)))
    predictions = fit_and_predict(pandas.concat([train, validation]), test, parameters)
    pandas.DataFrame({"Id": test["Id"], "SalePrice": predictions}).to_csv("submission.csv", index=False)


if __name__ == "__main__":
    main()
