package main

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// greet is the method of the service, which protoc would generate from
//
//	service Greeter { rpc Greet(google.protobuf.StringValue) returns (google.protobuf.StringValue); }
const greet = "/example.Greeter/Greet"

type text = wrapperspb.StringValue

var greeter = grpc.ServiceDesc{
	ServiceName: "example.Greeter",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Greet",
		Handler: func(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			if interceptor == nil {
				return nil, errors.New("the greeter is to be limited")
			}
			name := &text{}
			if err := decode(name); err != nil {
				return nil, err
			}
			return interceptor(ctx, name, &grpc.UnaryServerInfo{FullMethod: greet}, func(context.Context, any) (any, error) {
				return wrapperspb.String("Hello, " + name.GetValue() + "."), nil
			})
		},
	}},
}
